"""The slowest of two ranks decides, and is known."""

from bench.case import Case
from bench.result import CaseResult, Measurement
from bench.running.pool import Pool
from bench.selftest import _other_clock
from bench.selftest._check import TIMEOUT_SECONDS, Finding, Verdict

CASE = Case(
    workload="bench.selftest._workloads:slow_second_rank",
    device="cpu",
    strategy="ddp",
    precision="fp32",
    batch_size=1,
    num_devices=2,
)
SLOW_RANK = 1
SLEEP_SECONDS = _other_clock.WAIT_SECONDS
TOLERANCE_RATIO = 0.1
"""Of the sleep: two ranks may share a core, and the sleeper is woken late."""
MAX_VISITS = 3
"""At about a second each."""
BAR = "rank 1 by 20 ms ±10 %, step no less"


def run(pool: Pool) -> Finding:
    """Visit a case of two ranks, of which the second sleeps, until it is known."""
    finding = _visit(pool)
    for _ in range(MAX_VISITS - 1):
        if finding.verdict != "undecidable":
            break
        finding = _visit(pool)
    return finding


def judge(result: CaseResult) -> Finding:
    """Find that the step waits for the slow rank, and that its forward tells which one that is."""
    if result.measurement is None:
        verdict: Verdict = "undecidable" if result.status == "timeout" else "fails"
        return Finding(verdict=verdict, figure=f"{result.status}: {result.reason}", bar=BAR)
    seen = result.measurement
    ranks = seen.rank_forward_seconds
    each = ", ".join(f"{1e3 * seconds:.2f}" for seconds in ranks)
    step_seconds = seen.window_seconds / seen.window_steps
    return Finding(
        verdict=_verdict(seen, step_seconds),
        figure=f"ranks' forward {each} ms, step {1e3 * step_seconds:.2f} ms",
        bar=BAR,
    )


def _verdict(seen: Measurement, step_seconds: float) -> Verdict:
    ranks = seen.rank_forward_seconds
    if len(ranks) != CASE.num_devices or not step_seconds >= SLEEP_SECONDS:
        return "fails"
    lead_seconds = ranks[SLOW_RANK] - ranks[1 - SLOW_RANK]
    # Below: a sleep is never shorter than asked for, so some of it was lost. Above: the machine may have held it back.
    if not lead_seconds >= SLEEP_SECONDS * (1 - TOLERANCE_RATIO):
        return "fails"
    return "holds" if lead_seconds <= SLEEP_SECONDS * (1 + TOLERANCE_RATIO) else "undecidable"


def _visit(pool: Pool) -> Finding:
    return judge(
        pool.visit(
            CASE,
            num_processes=CASE.num_devices,
            round_index=0,
            timeout_seconds=TIMEOUT_SECONDS,
            with_extras=False,
        )
    )
