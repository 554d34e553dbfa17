"""The table of the gates, in Markdown."""

import statistics
from collections.abc import Sequence

from tests.peers.gate_tools import HEADS, ROUNDS, RULES
from tests.peers.gated import Gated, Heard
from tests.peers.sections import load_sentence
from tests.peers.summary import wilson

SAME, SLOWER = HEADS
LEGEND = f"""\
- A/A: the head does the same work as the base; +5 %: it has 63 equal blocks instead of 60 (tests/studies/slowed.py).
- found: the tool's own way to fail says slower. An answer that leaves it open is neither alarm nor finding.
- seconds: median wall time of all commands that one answer takes, over both heads.
- ratio: median of head over base as the tool has it, from its smallest to its largest.
- pytest-benchmark, pyperf and asv's rule have the base timed first and then the head, as their documentation tells;
  `stepbench ab` lets both take turns. asv's rule is applied to {ROUNDS} workers a side, from two runs of this suite:
  asv itself would have other samples."""


def gates_section(units: Sequence[Gated]) -> str:
    """Return what the gates said; a sentence where nothing was measured."""
    if not any(unit.heard for unit in units):
        return "## Gates\n\nNot measured yet."
    failures = [f"- {unit.tool}, {unit.head}, repeat {unit.repeat}: {unit.failure}" for unit in units if unit.failure]
    return "\n".join([
        "## Gates",
        "",
        "| tool | false alarms of A/A | found of +5 % | median seconds | ratio of A/A | ratio of +5 % |",
        "| --- | --- | --- | ---: | --- | --- |",
        *(_row(rule, units) for rule in RULES if any(_heard(units, rule, head) for head in HEADS)),
        "",
        LEGEND,
        f"- {load_sentence(unit.load for unit in units)}",
        "",
        "What did not work:",
        "",
        *(failures or ["- every comparison ran"]),
    ])  # fmt: skip


def _row(rule: str, units: Sequence[Gated]) -> str:
    same, slower = (_heard(units, rule, head) for head in (SAME, SLOWER))
    seconds = statistics.median(heard.seconds for heard in (*same, *slower))
    cells = (rule, _share(same, rule), _share(slower, rule), f"{seconds:.0f}", _ratio(same), _ratio(slower))
    return f"| {' | '.join(cells)} |"


def _heard(units: Sequence[Gated], rule: str, head: str) -> list[Heard]:
    return [unit.heard for unit in units if unit.head == head and unit.heard and rule in unit.heard.alarms]


def _share(found: Sequence[Heard], rule: str) -> str:
    if not found:
        return ""
    alarms = sum(heard.alarms[rule] for heard in found)
    low, high = wilson(alarms, len(found))
    return f"**{alarms} of {len(found)}** ({low:.0%} to {high:.0%})"


def _ratio(found: Sequence[Heard]) -> str:
    ratios = [heard.ratio for heard in found if heard.ratio is not None]
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})" if ratios else ""
