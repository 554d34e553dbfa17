"""Work of known duration is recovered."""

import statistics

from bench.case import Case
from bench.running.pool import Pool
from bench.selftest._check import Bar, Finding, Seen, decide, worst_of

BAR = Bar(low=0.99, high=1.01, text="within ±1 %")
"""Half of the smallest change that matters (method.md, section 5)."""
STEPS = 5
"""In a block: 100 ms of waits."""
CASE = Case(
    workload="bench.selftest._workloads:busy_wait", device="cpu", strategy="single", precision="fp32", batch_size=1
)


def run(pool: Pool) -> Finding:
    """Time busy waits until it is known, and on an NVIDIA GPU sleeps too."""
    findings = [decide(pool, "bench.selftest.known_duration:observe", judge)]
    if any(device.type == "cuda" for device in pool.environment.devices):
        findings.append(decide(pool, "bench.selftest.known_duration:observe_cuda", judge_cuda))
    return worst_of(findings)


def judge(seen: Seen) -> Finding:
    """Hold what the harness says of the waits over what another clock says of them against the bar."""
    return worst_of(
        [
            BAR.judge_ratio(seen, "forward_seconds", "waited_seconds", name="forward"),
            BAR.judge_ratio(seen, "rest_of_step_seconds", "waited_seconds", name="step"),
            BAR.judge_ratio(seen, "rest_of_window_seconds", "mean_waited_seconds", name="window"),
        ]
    )


def judge_cuda(seen: Seen) -> Finding:
    """Hold the events over the host's clock, and twice the work over twice the time, against the bar."""
    return worst_of(
        [
            BAR.judge_ratio(seen, "event_seconds", "host_seconds", name="events"),
            BAR.judge_ratio(seen, "half_of_twice_seconds", "event_seconds", name="twice the cycles"),
        ]
    )


def observe(blocks: int) -> dict[str, list[float]]:
    """
    Return what harness and other clock say of a wait in forward, in each of *blocks*; in a worker.

    A step and a window hold other phases too, which are taken off. A window has a mean only, so that is its partner.
    """
    from bench.selftest import _turns, _workloads  # noqa: PLC0415 (import torch)

    worker = _turns.prepared(CASE)
    seen: dict[str, list[float]] = {}
    for _ in range(blocks):
        _workloads.waited_seconds.clear()
        block = worker.run_block(STEPS)
        samples = block.samples_seconds
        others = [sum(pair) for pair in zip(samples["backward"], samples["optimizer"], strict=True)]
        rests = [step - other for step, other in zip(samples["step"], others, strict=True)]
        figures = {
            "waited_seconds": statistics.median(_workloads.waited_seconds),
            "mean_waited_seconds": statistics.mean(_workloads.waited_seconds),
            "forward_seconds": statistics.median(samples["forward"]),
            "rest_of_step_seconds": statistics.median(rests),
            "rest_of_window_seconds": block.wall_seconds / block.steps - statistics.mean(others),
        }
        for name, figure in figures.items():
            seen.setdefault(name, []).append(figure)
    return seen


def observe_cuda(blocks: int) -> dict[str, list[float]]:
    """Return what events and the synchronised host say of sleeps on the GPU, in each of *blocks*; in a worker."""
    from bench.selftest import _cuda  # noqa: PLC0415 (imports torch)

    gpu = _cuda.Gpu()
    cycles = _cuda.cycles_of_a_sleep(gpu)
    seen: dict[str, list[float]] = {"event_seconds": [], "host_seconds": [], "half_of_twice_seconds": []}
    for block in range(blocks):
        events: dict[int, float] = {}
        for times in (1, 2) if block % 2 else (2, 1):
            window, host_seconds = _cuda.sleep_window(gpu, times * cycles)
            events[times] = sum(window.interval_seconds)
            if times == 1:
                seen["host_seconds"].append(host_seconds)
        seen["event_seconds"].append(events[1])
        seen["half_of_twice_seconds"].append(events[2] / 2)
    return seen
