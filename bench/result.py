"""The records that travel from the worker to the journal and on to every report."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from bench.case import Case

SCHEMA_VERSION = 1
"""Raised whenever what is timed, or how a field is meant, changes; versions are never mixed."""

Phase = Literal["h2d", "forward", "backward", "optimizer", "read", "step"]
PHASES: tuple[Phase, ...] = ("h2d", "forward", "backward", "optimizer")
"""The parts of a step, in the order in which they run; `step` is the whole, from border to border."""
READ: Phase = "read"
"""The part behind them in which the loss is read, where the axis `loop` asks for it."""

Status = Literal["ok", "skipped", "unsupported", "oom", "timeout", "error", "crashed"]
STATUSES: tuple[Status, ...] = ("ok", "skipped", "unsupported", "oom", "timeout", "error", "crashed")
"""From best to worst: a row's status is the worst over its rounds."""
FAILURES = frozenset(STATUSES[STATUSES.index("oom") :])
"""Those of a case that could run and did not come to its end."""
NOT_REACHED = "not reached before the run ended"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """How long and how often to measure; method.md gives the reason for each default."""

    rounds: int | None = None
    """Exactly this many rounds a case; None: until the target or the budget is reached."""
    min_rounds: int = 8
    """No case stops for its target before this many rounds (after 3 the interval covers 0.90 instead of 0.95)."""
    budget_seconds: float = 90.0
    """Wall time after which no further round begins; has no effect where `rounds` is given."""
    target_ratio: float = 0.025
    """Half-width of the 95 % interval, as a share of the figure, at which a case has enough rounds."""
    timeout_seconds: float = 30.0
    """Deadline of one worker, from its start to its end, less what it compiles."""
    compile_timeout_seconds: float = 600.0
    """Deadline of a compiled case's first step."""
    num_servers: int = 3
    """Fork servers over which the rounds are spread in turn: what all workers of one share is not all that counts."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """
    How processor and driver treated the ranks in the timed window and the lead step before it.

    None where the kernel does not say.
    """

    cpu_seconds: float
    """That their threads ran."""
    involuntary_switches: int
    """How often a thread had to make room for another."""
    run_delay_seconds: float | None = None
    """That one of their threads, the one with most of it, was ready to run and waited for a core."""
    others_error_seconds: float = 0.0
    """How far `others_seconds` may be off to either side."""
    others_seconds: float | None = None
    """That other programs ran on the cores which these may use, at least; cores are counted in ticks of 10 ms."""
    steal_seconds: float | None = None
    """That the hypervisor gave the machine's cores to others."""
    quota_seconds: float | None = None
    """That the container's CPU quota held its threads back."""
    core_throttles: int | None = None
    """How often a core slowed itself down for its temperature."""
    device_throttle_seconds: float | None = None
    """That the driver held a device's clocks back for power or temperature; of the device with most of it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Use:
    """A window, and how processor and driver treated it."""

    usage: Usage
    window_seconds: float
    num_threads: int
    """Of all ranks together."""
    allocator_retries: int = 0
    compilations: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counters:
    """
    What one training step does, counted in extra steps; the same on every run of one revision on one stack.

    Of rank 0. None where nothing here can count it.
    """

    source: str
    """What counted operators and host synchronisations: dispatch (each call once) or profiler (nested calls too)."""
    operators: int | None = None
    """Operators called."""
    host_syncs: int | None = None
    """Times that the host waits for the device outside the optimizer's phase: `.item()`, copies to the host."""
    optimizer_host_syncs: int | None = None
    """The same in the optimizer's phase, GradScaler included."""
    allocated_bytes: int | None = None
    """Sum of all allocations of the step, not what is held at once."""
    accessed_bytes: int | None = None
    """Sum of the tensors that its operators read and write; caches may serve some of it."""
    kernels: int | None = None
    """Kernels launched on the device."""
    graph_breaks: int | None = None
    """Since the worker began: ends of graphs, and pieces of code that torch.compile left eager as a whole."""
    recompiles: int | None = None
    """Compilations of a piece of code beyond its first, since the worker began."""
    collectives: int | None = None
    """Collective operations between ranks."""
    collective_bytes: int | None = None
    """Bytes that they were given."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Telemetry:
    """What the driver says of the devices over a pass of its own, of at least two seconds. None where it does not."""

    step_energy_joules: float | None = None
    """Of all devices together."""
    mean_power_watts: float | None = None
    """The same over the time of the pass."""
    energy_source: str = "counter"
    """counter: the driver's of energy; samples: of power, one a second."""
    power_limit_watts: float | None = None
    """Of all devices together."""
    temperature_celsius: float | None = None
    """At the end of the pass, of the hottest of the first rank's devices."""
    clock_hertz: float | None = None
    """Of the multiprocessors of the slowest of them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measurement:
    """
    What one worker saw: raw samples and readings, nothing derived.

    None means "not defined here", never 0. Samples are of rank 0, in the order of the steps; `step` runs from one
    step's first border to the next step's.
    """

    clock: str
    """Which clock protocol measured: host, event, or synchronizing."""
    window_seconds: float
    """Wall time of the timed window: from the common barrier to the latest rank's synchronised end."""
    window_steps: int
    samples_seconds: Mapping[str, tuple[float, ...]]
    """Phase to the seconds of each timed step; a phase that does not happen here is absent."""
    warmup_seconds: Mapping[str, tuple[float, ...]]
    """The same for the first 300 steps before the window."""
    warmup_steps: int
    """How many there were."""
    first_step_seconds: float
    compile_seconds: float | None = None
    """What the warm-up's steps in which something was compiled took above the usual step; None: nothing was."""
    compiles_from_nothing: bool = False
    """Whether the directory of compiled code was empty when the worker began."""
    rank_window_seconds: tuple[float, ...]
    """Each rank's own window, to see the spread between ranks."""
    rank_forward_seconds: tuple[float, ...] = ()
    """Each rank's median forward phase, in which it waits for no other: the slowest rank shows here."""
    items_per_sample: int = 1
    item: str = "sample"
    parameters: int
    first_loss: float
    final_loss: float
    peak_allocated_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    memory_source: str | None = None
    """Where `peak_allocated_bytes` comes from: allocator (exact), or None."""
    process_peak_bytes: int | None = None
    """Largest resident size over ranks; misleading after a fork, so no finding draws on it."""
    start_seconds: float
    """From the launcher's order to the worker's first line: the price of isolation."""
    build_seconds: float
    """Building the workload, moving it, wrapping it."""
    warmup_total_seconds: float
    num_threads: int
    usage: Usage | None = None
    drain_seconds: float | None = None
    """What the window's last synchronise waited for the device; None where nothing is asynchronous."""
    allocator_retries: int | None = None
    """Times in the window that the allocator had to give its reserve back before it got memory."""
    skipped_steps: int | None = None
    """Optimizer steps of the window that GradScaler left out; None without one."""
    window_compilations: int = 0
    """Pieces of code that torch.compile compiled during the window."""
    foreign_processes: int | None = None
    """Other processes with a context on a device in use."""
    counters: Counters | None = None
    """From extra steps in the first round only."""
    loss_deviation_ratio: float | None = None
    """Of the first loss from that in fp32 on one device without a wrapper; in the first round only."""
    gradient_norm_deviation_ratio: float | None = None
    """The same of the norm of the first gradient."""
    step_flops: int | None = None
    """Operations of matrix products, convolutions and attention of a step, over all ranks; in the first round only."""
    flops_source: str | None = None
    """Where they were counted: meta, or device."""
    telemetry: Telemetry | None = None
    """In the first round only; None where no driver answers."""
    extras_seconds: float = 0.0
    """What memory, counters, FLOPs and check took, after the timed window."""
    notes: tuple[str, ...] = ()
    """Sentences a reader of the row should know, such as a library that had to be turned off."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """How a worker ended when it did not end well."""

    message: str
    """One line."""
    log_tail: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Rank to the last lines that it wrote."""
    exit_code: int | None = None
    """Negative: the signal that ended it."""

    @property
    def last_lines(self) -> tuple[str, ...]:
        """What the workers wrote last, rank by rank."""
        return tuple(line for lines in self.log_tail.values() for line in lines)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseResult:
    """One visit of one case: a line of the journal."""

    case: Case
    round: int
    """Counts from 0; a case that never runs has one result of round 0."""
    server: int | None = None
    """The fork server that the worker came from."""
    status: Status
    reason: str | None = None
    """One sentence where the status is not ok."""
    measurement: Measurement | None = None
    failure: Failure | None = None
    flags: tuple[str, ...] = ()
    started_at: str = ""
    """UTC, ISO 8601."""
    duration_seconds: float = 0.0
    schema_version: int = SCHEMA_VERSION

    @property
    def figures(self) -> Measurement | None:
        """What it measured, where it was ok."""
        return self.measurement if self.status == "ok" else None

    @property
    def why(self) -> str | None:
        """The reason, or what ended the worker where there is none."""
        return self.failure.message if self.reason is None and self.failure else self.reason

    @property
    def unbudgeted_seconds(self) -> float:
        """What it compiled from nothing, for which no budget is made; to load compiled code is what a round costs."""
        if self.measurement is None:  # it failed, if not in compiling then soon after it
            return self.duration_seconds if self.case.is_compiled else 0.0
        return (self.measurement.compile_seconds or 0.0) if self.measurement.compiles_from_nothing else 0.0


def worst_of(results: Sequence[CaseResult]) -> CaseResult:
    """Return the first of those whose status is the worst."""
    return max(results, key=lambda result: STATUSES.index(result.status))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sitting:
    """What a run spent besides its visits, from its start or its continuation to its end."""

    servers_seconds: float
    """Starting the fork servers, proving them, and measuring what the CPU attains."""
    reporting_seconds: float
    total_seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceInfo:
    """One accelerator, as the probe saw it."""

    type: str
    index: int
    name: str
    total_memory_bytes: int | None = None
    power_limit_watts: float | None = None
    capability: tuple[int, ...] | None = None
    """CUDA compute capability, (9, 0) for an H100."""

    @property
    def id(self) -> str:
        """As torch writes it: cuda:0."""
        return f"{self.type}:{self.index}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Environment:
    """
    Where a run took place.

    `hard` keys must all be equal before absolute times may be compared; `soft` keys are shown as a difference and
    never forbid anything.
    """

    devices: tuple[DeviceInfo, ...] = ()
    hard: Mapping[str, str] = dataclasses.field(default_factory=dict)
    soft: Mapping[str, str] = dataclasses.field(default_factory=dict)
    start_method: str = "forkserver"
    attained_flops_per_second: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """`cpu/fp32` and so on to the rate of a large matrix product here, for devices that have no data sheet."""
    attained_bytes_per_second: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """`cpu` to the rate of a large copy here, read and written."""
    given_flops_per_second: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """`cuda/bf16` and so on to the dense rate of one device, where the person gave it (`--peak-tflops`)."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """The journal's first line: everything needed to compare, resume or repeat the run."""

    cases: tuple[Case, ...]
    sampling: SamplingPlan
    environment: Environment
    seed: int = 0
    label: str = ""
    suite: str = ""
    command: tuple[str, ...] = ()
    working_directory: str = ""
    """Where relative paths of workload files begin."""
    commit: str = ""
    started_at: str = ""
    schema_version: int = SCHEMA_VERSION
