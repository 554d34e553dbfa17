"""What two machines, or one machine on two days, have in common: which keys differ, and which of them forbid."""

import dataclasses
from collections.abc import Mapping, Sequence

from bench.result import DeviceInfo, Environment

ACCELERATORS = "accelerators"
"""The devices together, as one key."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """One key of the fingerprint that two environments do not share."""

    key: str
    before: str
    """Empty: it was not set."""
    now: str
    is_hard: bool
    """Whether it forbids to compare absolute times."""

    def __str__(self) -> str:
        return f"{self.key} was {self.before or 'unset'} and is now {self.now or 'unset'}"


def differences(before: Environment, now: Environment) -> list[Difference]:
    """Return the keys in which the two differ, those that forbid a comparison first."""
    return [
        *_differences(hard_keys(before), hard_keys(now), is_hard=True),
        *_differences(soft_keys(before), soft_keys(now), is_hard=False),
    ]


def hard_keys(environment: Environment) -> Mapping[str, str]:
    """Return the hard keys of *environment*, its accelerators among them."""
    return {**environment.hard, ACCELERATORS: _described(environment.devices)}


def soft_keys(environment: Environment) -> Mapping[str, str]:
    """Return the soft keys, with what the CPU attained among them: it tells of a machine that was slow for a while."""
    rates = environment.attained_flops_per_second
    start = {"start_method": environment.start_method}
    return {
        **environment.soft,
        **start,
        **{f"attained {name}": f"{rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items()},
    }


def _differences(before: Mapping[str, str], now: Mapping[str, str], *, is_hard: bool) -> list[Difference]:
    return [
        Difference(key=key, before=before.get(key, ""), now=now.get(key, ""), is_hard=is_hard)
        for key in sorted(before.keys() | now.keys())
        if before.get(key, "") != now.get(key, "")
    ]


def _described(devices: Sequence[DeviceInfo]) -> str:
    return ", ".join(_device(device) for device in devices) or "none"


def _device(device: DeviceInfo) -> str:
    memory = "" if device.total_memory_bytes is None else f" {device.total_memory_bytes / 2**30:.1f} GiB"
    power = "" if device.power_limit_watts is None else f" {device.power_limit_watts:.0f} W"
    return f"{device.id} {device.name}{memory}{power}"
