"""A case: one point of the axes."""

import dataclasses
import functools
import hashlib
import json
import re

COMPILE_MODES = ("eager", "default", "reduce_overhead", "max_autotune")
INPUTS = ("resident", "pageable", "pinned", "loader")
LOOPS = ("clean", "item", "numpy")

_SLUG_WORKLOAD_LENGTH = 80
"""Characters of a workload's name, from its end, that go into a slug: a file's name may have 255 bytes, a path more."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """
    One point of the axes: what is trained, where, how, and in which precision.

    `batch_size` counts samples per device, `num_devices` the ranks of DDP or the replicas of DataParallel; on the
    CPU a device is a process.
    """

    workload: str
    device: str
    strategy: str
    precision: str
    compile: str = "eager"
    input: str = "resident"
    loop: str = "clean"
    batch_size: int
    num_devices: int = 1
    num_nodes: int = 1
    seed: int = 0

    @property
    def device_type(self) -> str:
        """The device without its index: ``cuda`` for ``cuda:1``."""
        return self.device.split(":", maxsplit=1)[0]

    @property
    def is_compiled(self) -> bool:
        """Whether torch.compile is asked to have a part in it."""
        return self.compile != "eager"

    @property
    def global_batch_size(self) -> int:
        """Samples that all devices together train on in one step."""
        return self.batch_size * self.num_devices

    @property
    def slug(self) -> str:
        """A name that a person can read and a file can bear; axes at their usual value are left out."""
        unusual = [
            value
            for value, usual in ((self.compile, "eager"), (self.input, "resident"), (self.loop, "clean"))
            if value != usual
        ]
        words = [self.workload[-_SLUG_WORKLOAD_LENGTH:], self.device, self.strategy, self.precision, *unusual]
        words += [f"b{self.batch_size}", f"d{self.num_devices}"]
        if self.num_nodes > 1:
            words.append(f"n{self.num_nodes}")
        return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", word).strip("_") for word in words)

    @functools.cached_property
    def id(self) -> str:
        """The slug and six hex digits over all axes but the seed: equal across runs, unequal between cases."""
        axes = {key: value for key, value in dataclasses.asdict(self).items() if key != "seed"}
        digest = hashlib.sha256(json.dumps(axes, sort_keys=True).encode()).hexdigest()
        return f"{self.slug}-{digest[:6]}"
