"""The cases without a figure, folded by reason so that many stay readable."""

import dataclasses
from collections.abc import Sequence

from bench.case import Case
from bench.explanations import Explanation, explain
from bench.labels import extras, strategy, varied_batches
from bench.result import STATUSES
from bench.results.rows import Row

NEVER_RAN = ("skipped", "unsupported")
"""The statuses of cases that were not tried; every other one but ok is a failure."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """The cases that share a status and a reason."""

    status: str
    reason: str
    """On one line."""
    names: str
    """Every case, with what they share said once: ``mlp, cnn on cuda single fp32, tf32; cuda ddp x2 fp32``."""
    num_cases: int

    @property
    def is_failure(self) -> bool:
        """Whether the cases were tried."""
        return self.status not in NEVER_RAN

    @property
    def explanation(self) -> Explanation | None:
        """What the reason of a failure means to somebody who has not met it before, where that is known."""
        return explain(self.reason) if self.is_failure else None

    @property
    def count(self) -> str:
        """How many cases these are, in words."""
        return "1 case" if self.num_cases == 1 else f"{self.num_cases} cases"


def groups(rows: Sequence[Row]) -> list[Group]:
    """Return the rows that are not measured by status and reason, failures first."""
    members: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not row.is_measured:
            members.setdefault((row.status, " ".join(row.reason.split())), []).append(row)
    batches = varied_batches(row.case for row in rows)
    found = [
        Group(status=status, reason=reason, names=names(alike, batches), num_cases=len(alike))
        for (status, reason), alike in members.items()
    ]
    return sorted(found, key=lambda group: (not group.is_failure, -STATUSES.index(group.status)))


def names(rows: Sequence[Row], varied_batches: set[str]) -> str:
    """Return the cases of *rows* by run, where there are several, and workload."""
    by_run: dict[str, list[Case]] = {}
    for row in rows:
        by_run.setdefault(row.run_name, []).append(row.case)
    told = {run_name: _of_one_run(cases, varied_batches) for run_name, cases in by_run.items()}
    return " || ".join(f"{run_name}: {words}" if run_name else words for run_name, words in told.items())


def _of_one_run(cases: Sequence[Case], varied_batches: set[str]) -> str:
    """Return the cases by workload, workloads with the same variants together."""
    by_workload: dict[str, list[Case]] = {}
    for case in cases:
        by_workload.setdefault(case.workload, []).append(case)
    by_variants: dict[str, list[str]] = {}
    for workload, members in by_workload.items():
        by_variants.setdefault(_variants(members, workload in varied_batches), []).append(workload)
    return " | ".join(f"{', '.join(workloads)} on {variants}" for variants, workloads in by_variants.items())


def _variants(cases: Sequence[Case], with_batch: bool) -> str:
    """Return the axes of *cases* with the precisions of each device and strategy joined."""
    precisions: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        batch = (f"batch {case.global_batch_size}",) if with_batch else ()
        words = precisions.setdefault((f"{case.device} {strategy(case)}", ", ".join((*extras(case), *batch))), [])
        if case.precision not in words:
            words.append(case.precision)
    return "; ".join(
        f"{place} {', '.join(words)}" + (f" ({extra})" if extra else "") for (place, extra), words in precisions.items()
    )
