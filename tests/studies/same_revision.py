"""
Shows that a revision does not differ from itself: at least 100 ratios between two runs of it that take turns.

    python tests/studies/same_revision.py --out DIR [--ratios 102]

A ratio is of one case, from 8 rounds: in each, both sides are visited in random order, in fresh workers of the round's
server. DIR/ratios.jsonl has one line for each; those that are there are not measured again, so Ctrl-C loses at most
one. Writes DIR/summary.md. Ends with 1 if more 95 % intervals exclude 1 than chance allows, 3 if there are too few
ratios to tell, 0 if all is well.
"""

import argparse
import collections
import dataclasses
import datetime
import itertools
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.case import Case
from bench.record import from_plain, to_plain
from bench.running.pool import Pool, usual_start_method
from bench.running.session import Interrupted, interrupts_raised
from bench.signed_rank import exceeding_p_value
from bench.statistics import MARGIN_RATIO, Interval, holm, paired_ratio, verdict_of
from bench.workload_spec import canonical_workload, default_batch_size
from tests.peers import lines, machine
from tests.peers.load import Load, Watch
from tests.peers.sections import load_sentence
from tests.peers.visits import step_of_visit

MIN_RATIOS = 100
"""With fewer the bar is so coarse that hardly anything would exceed it."""
ROUNDS = 8
"""The fewest after which a 95 % interval over workers holds what it says."""
RATIOS_PER_POOL = 12
"""Each case twice; servers are a layer of variance, so they must change, and new ones take a few seconds."""
TIMEOUT_SECONDS = 60.0
RANKS = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ratio:
    """A line of ratios.jsonl: one case against itself."""

    index: int
    case_id: str
    started_at: str
    """UTC, ISO 8601."""
    candidate_seconds: tuple[float, ...]
    """The step's time in each round."""
    baseline_seconds: tuple[float, ...]
    load: Load

    @property
    def interval(self) -> Interval:
        """Candidate over baseline."""
        return paired_ratio(self.candidate_seconds, self.baseline_seconds)

    @property
    def pairs(self) -> list[float]:
        """Candidate over baseline in each round."""
        return [top / bottom for top, bottom in zip(self.candidate_seconds, self.baseline_seconds, strict=True)]


def main() -> int:
    """Measure the ratios that are missing, write the summary, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ratios", type=int, default=102, help="by default 17 of each of the six cases")
    options = parser.parse_args()
    path = options.out / "ratios.jsonl"
    try:
        with interrupts_raised():
            _measure(path, options.ratios)
    except Interrupted as interrupted:
        print(f"{interrupted}: run the same command to continue", file=sys.stderr)
    ratios = [from_plain(Ratio, line) for line in lines.read(path) if line["kind"] == "ratio"]
    text = summary(ratios, [line for line in lines.read(path) if line["kind"] == "sitting"])
    print(text)
    (options.out / "summary.md").write_text(text + "\n", encoding="utf-8")
    if len(ratios) < max(MIN_RATIOS, options.ratios):
        return 3
    return 1 if _excluding(ratios) > bar(len(ratios)) else 0


def bar(ratios: int) -> int:
    """Return how many of *ratios* intervals may exclude 1: what chance stays within 99 times in 100."""
    from scipy.stats import binom  # noqa: PLC0415 (takes 1.5 s)

    return int(binom.ppf(0.99, ratios, 0.05))


def difference_p_value(pairs: Sequence[float]) -> float:
    """Return the two-sided p-value of the signed ranks that the true ratio is 1."""
    above, below = exceeding_p_value(pairs, 1.0), exceeding_p_value([1 / pair for pair in pairs], 1.0)
    return min(1.0, 2 * min(above, below))


def summary(ratios: Sequence[Ratio], sittings: Sequence[dict[str, str]]) -> str:
    """Return what was seen, in Markdown."""
    verdicts = collections.Counter(verdict_of(ratio.interval) for ratio in ratios)
    slower = holm([exceeding_p_value(ratio.pairs, 1 + MARGIN_RATIO) for ratio in ratios])
    different = holm([difference_p_value(ratio.pairs) for ratio in ratios])
    return "\n".join([
        "# A revision against itself",
        "",
        f"Made by `python tests/studies/same_revision.py`; a ratio has {ROUNDS} rounds, both sides in turn.",
        "",
        *machine.described(sittings),
        f"- 95 % intervals that exclude 1: **{_excluding(ratios)} of {len(ratios)}**",
        f"- by chance (99 % quantile) at most {bar(len(ratios))}",
        "- verdicts: " + ", ".join(f"{verdict} {count}" for verdict, count in sorted(verdicts.items())),
        f"- Holm at 5 % over all rejects: not slower by {MARGIN_RATIO:.0%} {sum(slower)}, equal {sum(different)}",
        *([f"- {load_sentence([ratio.load for ratio in ratios])}"] if ratios else []),
        "",
        "| case | ratios | exclude 1 | smallest | largest | widest half-width |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(_row(case_id, ratios) for case_id in dict.fromkeys(ratio.case_id for ratio in ratios)),
    ])  # fmt: skip


def cases() -> list[Case]:
    """Return six cheap cases: three workloads, in one process and in two."""
    axes = itertools.product(("mlp", "cnn", "transformer"), (("single", 1), ("ddp", RANKS)))
    return [
        Case(
            workload=canonical_workload(name),
            device="cpu",
            strategy=strategy,
            precision="fp32",
            batch_size=default_batch_size(name) // ranks,
            num_devices=ranks,
        )
        for name, (strategy, ranks) in axes
    ]


def _excluding(ratios: Sequence[Ratio]) -> int:
    return sum(ratio.interval.excludes(1.0) for ratio in ratios)


def _row(case_id: str, ratios: Sequence[Ratio]) -> str:
    own = [ratio for ratio in ratios if ratio.case_id == case_id]
    intervals = [ratio.interval for ratio in own]
    values = [interval.value for interval in intervals]
    widest = max(interval.half_width_ratio or 0.0 for interval in intervals)
    figures = f"{min(values):.3f} | {max(values):.3f} | ±{widest:.1%}"
    return f"| {case_id} | {len(own)} | {_excluding(own)} | {figures} |"


def _measure(path: Path, wanted: int) -> None:
    index = len([line for line in lines.continued(path) if line["kind"] == "ratio"])
    if index < wanted:
        lines.append(path, {"kind": "sitting", **machine.sitting()})
    while index < wanted:
        with Pool(3, usual_start_method(), dict(os.environ)) as pool:
            for _ in range(min(RATIOS_PER_POOL, wanted - index)):
                print(f"[{index + 1}/{wanted}]", file=sys.stderr, flush=True)
                lines.append(path, {"kind": "ratio", **to_plain(_ratio(pool, index))})
                index += 1


def _ratio(pool: Pool, index: int) -> Ratio:
    case, order = cases()[index % len(cases())], random.Random(index)
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    watch = Watch()
    candidate: list[float] = []
    baseline: list[float] = []
    for round_index in range(ROUNDS):
        for side in order.sample([candidate, baseline], 2):
            side.append(step_of_visit(pool, case, round_index, TIMEOUT_SECONDS))
    return Ratio(
        index=index,
        case_id=case.id,
        started_at=started_at,
        candidate_seconds=tuple(candidate),
        baseline_seconds=tuple(baseline),
        load=watch.load(),
    )


if __name__ == "__main__":
    sys.exit(main())
