"""The flags: one row for each reason to doubt a figure, and what to do about it."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Sequence

from bench.metrics import deviation_ratio, step_seconds
from bench.precisions import PRECISIONS
from bench.result import CaseResult, Environment, Measurement, Plan, SamplingPlan, Usage, Use
from bench.statistics import log_median, log_t_interval
from bench.utilization import model_flops_utilization, peak_of_case

TAKEN_SHARE = 0.05
"""Share of a window for which others may keep threads from a core; docs/method.md has idle and busy machines."""
SWITCHES_PER_SECOND = 50
"""Of each thread, where waiting is not counted: one that shares its core makes room every few milliseconds."""
HELD_BACK_SHARE = 0.01
"""Share of the window for which a driver or a quota may hold a device back."""
DRIFT_RATIO, DRIFT_RATIO_OF_ONE = 0.05, 0.2
"""How far the last third of the steps may be from the first: of all rounds together, and of a single one."""
CLOCK_RATIO = 0.02
"""How far the steps may be from adding up to their window."""
PEAK_RATIO = 2.25
"""How far a rate may be above the data sheet's: Winograd's convolutions save as much of what is counted, a causal
attention half, and cards boost above the sheet's clock."""
DOUBTFUL = frozenset(
    {"contended", "throttled", "foreign_process", "implausible", "unsteady", "diverged", "few_rounds"}
    | {"skipped_steps", "recompiled", "allocator_retry"}
)
"""Flags under which a time says nothing of what was to be timed: no headline, no verdict."""
DOUBTS_OF_MEMORY = frozenset({"diverged", "skipped_steps", "allocator_retry", "recompiled"})
"""Under which another step was run than the one in question, so that its memory says nothing either."""
_NO_PLAN = Plan(cases=(), sampling=SamplingPlan(min_rounds=0), environment=Environment())

Raised = Callable[[Sequence[CaseResult], Plan], bool]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flag:
    """A reason to doubt a row."""

    name: str
    meaning: str
    cure: str
    is_raised: Raised
    """Takes the visits of one case and the plan."""


def raised(results: Sequence[CaseResult], plan: Plan) -> tuple[str, ...]:
    """
    Return the names of the flags that the visits of one case raise, in the order of the table.

    A flag that a visit brought along and that is not in the table (a newer version wrote it) comes last.
    """
    known = [flag.name for flag in FLAGS.values() if flag.is_raised(results, plan)]
    return tuple(dict.fromkeys([*known, *(name for result in results for name in result.flags)]))


def raised_by(result: CaseResult) -> tuple[str, ...]:
    """Return the same for one visit, whose number says nothing."""
    return raised([result], _NO_PLAN)


def _measurements(results: Sequence[CaseResult]) -> list[Measurement]:
    return [found for result in results if (found := result.figures)]


def _any(is_raised: Callable[[Measurement], bool]) -> Raised:
    """Return the rule that one visit is enough to raise the flag."""
    return lambda results, _plan: any(is_raised(measurement) for measurement in _measurements(results))


def _brings_along(name: str) -> Raised:
    """Return the rule for a flag that only the parent sees, at the end of a visit."""
    return lambda results, _plan: any(name in result.flags for result in results)


def is_contended(uses: Sequence[Use]) -> bool:
    """Whether others took too much of all the windows together: of one, which may take 20 ms, a moment is much."""
    window_seconds = math.fsum(use.window_seconds for use in uses)
    taken_seconds = math.fsum((use.usage.steal_seconds or 0.0) / use.num_threads for use in uses)
    # A quota makes threads wait too, and has a flag of its own.
    delays = [
        max(0.0, use.usage.run_delay_seconds - (use.usage.quota_seconds or 0.0))
        for use in uses
        if use.usage.run_delay_seconds is not None
    ]
    others = _others_seconds([use.usage for use in uses if use.usage.others_seconds is not None])
    if delays:
        # Threads also wait for each other (gloo's serve several ranks), and others may run on cores that nobody wants.
        taken_seconds += min(math.fsum(delays), math.inf if others is None else others)
        return taken_seconds > TAKEN_SHARE * window_seconds
    switches = sum(use.usage.involuntary_switches for use in uses)
    thread_seconds = math.fsum(use.num_threads * use.window_seconds for use in uses)
    return switches > SWITCHES_PER_SECOND * thread_seconds or taken_seconds > TAKEN_SHARE * window_seconds


def _others_seconds(usages: Sequence[Usage]) -> float | None:
    """Return for how long others ran in all windows together, at least; None where nobody tells."""
    if not usages:
        return None
    # The errors of many windows cancel in part; were each taken off its own, short windows would see nothing at all.
    error_seconds = math.hypot(*(usage.others_error_seconds for usage in usages))
    return max(0.0, math.fsum(usage.others_seconds or 0.0 for usage in usages) - error_seconds)


def held_back_share(uses: Sequence[Use]) -> float:
    """Return for which share of all the windows together heat, a power limit or a quota held the device back."""
    held_back = [max(use.usage.device_throttle_seconds or 0.0, use.usage.quota_seconds or 0.0) for use in uses]
    return math.fsum(held_back) / math.fsum(use.window_seconds for use in uses)


def _is_throttled(use: Use) -> bool:
    return held_back_share([use]) > HELD_BACK_SHARE or bool(use.usage.core_throttles)


def _threads(measurement: Measurement) -> int:
    return measurement.num_threads * len(measurement.rank_window_seconds)


def _uses(results: Sequence[CaseResult]) -> list[Use]:
    return [
        Use(usage=found.usage, window_seconds=found.window_seconds, num_threads=_threads(found))
        for found in _measurements(results)
        if found.usage is not None
    ]


def _is_unsteady(results: Sequence[CaseResult], _plan: Plan) -> bool:
    drifts = [drift for measurement in _measurements(results) if (drift := _drift_ratio(measurement))]
    if len(drifts) == 1:
        return abs(drifts[0] - 1) > DRIFT_RATIO_OF_ONE
    return bool(drifts) and log_t_interval(drifts).excludes(1.0, DRIFT_RATIO)


def _drift_ratio(measurement: Measurement) -> float | None:
    """Return the last third of the timed steps over the first; None where there are too few to say."""
    steps = [seconds for seconds in measurement.samples_seconds["step"] if seconds > 0]
    third = len(steps) // 3
    return math.exp(log_median(steps[-third:]) - log_median(steps[:third])) if third else None


def _is_launch_bound(results: Sequence[CaseResult], _plan: Plan) -> bool:
    """Whether the device was usually done less than a step after the host, so that it waited for the host all along."""
    steps_ahead = [
        measurement.drain_seconds / step_seconds(measurement)
        for measurement in _measurements(results)
        if measurement.drain_seconds is not None
    ]
    return bool(steps_ahead) and statistics.median(steps_ahead) < 1


def _is_implausible(results: Sequence[CaseResult], plan: Plan) -> bool:
    """Whether the steps do not add up, or the devices would have computed faster than they can."""
    measurements = _measurements(results)
    if any(not _adds_up(measurement) for measurement in measurements):
        return True
    flops = next((found.step_flops for found in measurements if found.step_flops), None)
    peak = peak_of_case(results[0].case, plan.environment) if results else None
    if flops is None or peak is None or peak.source == "measured":  # attained once, on a machine that may get faster
        return False
    share = model_flops_utilization(flops, min(map(step_seconds, measurements)), peak.flops_per_second)
    return share > PEAK_RATIO


def _adds_up(measurement: Measurement) -> bool:
    """Whether the steps are the parts of their window."""
    samples = measurement.samples_seconds["step"]
    if not samples:
        return True
    window = measurement.rank_window_seconds[0]
    ratio = math.fsum(samples) / len(samples) * measurement.window_steps / window
    # On the event clock the window also holds a first step from idle, which is no sample, so its steps may fall short.
    return ratio <= 1 + CLOCK_RATIO and (measurement.clock == "event" or ratio >= 1 - CLOCK_RATIO)


def _is_diverged(results: Sequence[CaseResult], _plan: Plan) -> bool:
    deviations = [deviation_ratio(found) for found in _measurements(results)]
    precision = PRECISIONS.get(results[0].case.precision) if results else None
    if precision is None:  # a newer version's, of which nothing is known here
        return False
    return any(deviation is not None and deviation > precision.tolerance_ratio for deviation in deviations)


def _has_few_rounds(results: Sequence[CaseResult], plan: Plan) -> bool:
    return all(result.status == "ok" for result in results) and len(_measurements(results)) < plan.sampling.min_rounds


FLAGS: dict[str, Flag] = {
    row.name: row
    for row in (
        Flag(
            name="implausible",
            meaning="its steps do not add up to its time, or it would be faster than its devices can be",
            cure="do not use it; run selftest, and report it",
            is_raised=_is_implausible,
        ),
        Flag(
            name="diverged",
            meaning="its first loss or gradient is not that of fp32 on one device (deviation_ratio)",
            cure="look for what computes something else: the wrapper, the precision, a hidden state",
            is_raised=_is_diverged,
        ),
        Flag(
            name="contended",
            meaning="other programs took the processor",
            cure="stop them and measure again",
            is_raised=lambda results, _plan: is_contended(_uses(results)),
        ),
        Flag(
            name="throttled",
            meaning="heat, a power limit or a container's quota held the device back",
            cure="cool it, raise the limit, or compare only runs that have this flag",
            is_raised=lambda results, _plan: any(map(_is_throttled, _uses(results))),
        ),
        Flag(
            name="foreign_process",
            meaning="another process had the GPU too",
            cure="end it (nvidia-smi names it) and measure again",
            is_raised=_any(lambda measurement: bool(measurement.foreign_processes)),
        ),
        Flag(
            name="unsteady",
            meaning="steps at the end of the window differ from those at its start",
            cure="look at samples.csv.gz; a leak or a growing input does this",
            is_raised=_is_unsteady,
        ),
        Flag(
            name="launch_bound",
            meaning="the device waited for the host, so this is the host's speed",
            cure="take a larger batch or model, or compile",
            is_raised=_is_launch_bound,
        ),
        Flag(
            name="allocator_retry",
            meaning="the device's memory was full and had to be given back and taken again",
            cure="take a smaller batch",
            is_raised=_any(lambda measurement: bool(measurement.allocator_retries)),
        ),
        Flag(
            name="skipped_steps",
            meaning="GradScaler left optimizer steps out, which made them look quick",
            cure="look for gradients that overflow; amp_bf16 needs no scaler",
            is_raised=_any(lambda measurement: bool(measurement.skipped_steps)),
        ),
        Flag(
            name="recompiled",
            meaning="torch.compile compiled during the timed window",
            cure="keep shapes and options the same from step to step",
            is_raised=_any(lambda measurement: measurement.window_compilations > 0),
        ),
        Flag(
            name="teardown_abort",
            meaning="a process ended badly after its result was safe",
            cure="the figures hold; results.jsonl has how it ended",
            is_raised=_brings_along("teardown_abort"),
        ),
        Flag(
            name="few_rounds",
            meaning="too few rounds for an interval that holds",
            cure="raise --budget, or measure fewer cases",
            is_raised=_has_few_rounds,
        ),
    )
}
