"""What two machines, or one machine on two days, have in common: which keys differ, and which of them forbid."""

import dataclasses
from collections.abc import Mapping, Sequence

from bench.result import DeviceInfo, Environment

ACCELERATORS = "accelerators"
"""The devices together, as one key."""
POWER_LIMITS = "power_limits"
"""What each of them may draw, as one key."""
LOOKED_FOR = {POWER_LIMITS, "driver_major", "cxx", "triton", "precision_flags", "schema"}
"""Hard keys that a run may not have looked for, or not seen: they say something only where both sides have them."""


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
    limits = [device.power_limit_watts for device in environment.devices]
    known = {POWER_LIMITS: ", ".join(f"{limit:.0f} W" for limit in limits if limit)} if any(limits) else {}
    return {**environment.hard, ACCELERATORS: _described(environment.devices), **known}


def processor(environment: Environment) -> str:
    """Return the processor and how many of its cores could be used; empty where it is not known."""
    keys = environment.hard
    name, cores = keys.get("cpu_name", ""), keys.get("cores", "")
    return f"{name}, {cores} cores" if name and cores else name


def machine(environment: Environment) -> str:
    """Return the accelerators, or the processor where there are none; empty where neither is known."""
    return hard_keys(environment)[ACCELERATORS] if environment.devices else processor(environment)


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
        if before.get(key, "") != now.get(key, "") and _is_known(key, before, now)
    ]


def _is_known(key: str, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether a difference in *key* says anything."""
    return key not in LOOKED_FOR or bool(before.get(key) and now.get(key))


def _described(devices: Sequence[DeviceInfo]) -> str:
    return ", ".join(_device(device) for device in devices) or "none"


def _device(device: DeviceInfo) -> str:
    memory = "" if device.total_memory_bytes is None else f" {device.total_memory_bytes / 2**30:.1f} GiB"
    return f"{device.id} {device.name}{memory}"
