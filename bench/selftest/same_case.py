"""A case against itself is the same, never slower."""

import dataclasses

from bench.running.pool import Pool
from bench.selftest._check import Bar, Finding, Seen, decide
from bench.statistics import MARGIN_RATIO, verdict_of

BAR = Bar(low=1 - MARGIN_RATIO, high=1 + MARGIN_RATIO, text=f"within ±{100 * MARGIN_RATIO:g} %")
"""Where a comparison says `same`. Not to be called `slower` is not enough: too wide an interval never is."""


def run(pool: Pool) -> Finding:
    """Let two workers of one case take turns until it is known."""
    return decide(pool, "bench.selftest.same_case:observe", judge)


def judge(seen: Seen) -> Finding:
    """Hold one worker's step over the other's against the bar, and against what a comparison would say."""
    finding = BAR.judge_ratio(seen, "candidate_seconds", "baseline_seconds")
    if finding.interval is None:
        return finding
    word = verdict_of(finding.interval)
    verdict = "fails" if word == "slower" else finding.verdict
    return dataclasses.replace(finding, verdict=verdict, figure=f"{word}: {finding.figure}")


def observe(blocks: int) -> dict[str, list[float]]:
    """Return the step of each of two like workers in each of *blocks* pairs; in a worker."""
    from bench.selftest import _turns  # noqa: PLC0415 (imports torch)

    candidate, baseline = _turns.two_prepared()
    return _turns.take_turns(_turns.harness(candidate), _turns.harness(baseline), blocks)
