"""What a case is called where a person reads it."""

import re
from collections.abc import Iterable

from bench.case import Case
from bench.numbers import TIMES


def cut_middle(text: str, length: int) -> str:
    """Return *text* in at most *length* characters; the end, where names differ, keeps the larger part."""
    if len(text) <= length:
        return text
    kept = length - len("...")
    head = kept // 3
    return f"{text[:head]}...{text[len(text) - (kept - head) :]}"


_SIGNS = re.compile(r"[\\|\[*]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""Of Markdown; an underscore inside of a word is none."""


def in_markdown(text: str) -> str:
    """Return *text* so that it neither ends a cell of a table nor becomes a tag or a link."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _SIGNS.sub(r"\\\g<0>", escaped)
    return escaped.replace("\n", " ").replace("@", "@\u200b").replace("`", "'")


def strategy(case: Case) -> str:
    """Return the strategy with the number of devices, and of machines where there are several."""
    words = case.strategy if case.num_devices == 1 else f"{case.strategy}{TIMES}{case.num_devices}"
    return words if case.num_nodes == 1 else f"{words} on {case.num_nodes} machines"


def extras(case: Case) -> tuple[str, ...]:
    """Return the words for the axes that are rarely varied; none at their usual values."""
    words = (
        (f"compile {case.compile}", case.is_compiled),
        (f"{case.input} input", case.input != "resident"),
        (f"{case.loop} loop", case.loop != "clean"),
    )
    return tuple(word for word, is_unusual in words if is_unusual)


def variant(case: Case, *, with_batch: bool = False) -> str:
    """Return everything but the workload: ``cpu ddp x2 amp_bf16, global batch 64``."""
    words = [" ".join((case.device, strategy(case), case.precision)), *extras(case)]
    if with_batch:
        words.append(f"batch {case.global_batch_size}")
    return ", ".join(words)


def difference(case: Case, other: Case) -> tuple[str, str]:
    """Return what sets *case* and *other* apart, in words for each: ``("amp_bf16", "fp32")``."""
    pairs = [
        (case.device, other.device),
        (strategy(case), strategy(other)),
        (case.precision, other.precision),
        (_compile(case), _compile(other)),
        (f"{case.input} input", f"{other.input} input"),
        (f"{case.loop} loop", f"{other.loop} loop"),
    ]
    apart = [pair for pair in pairs if pair[0] != pair[1]]
    return " ".join(ours for ours, _ in apart), " ".join(theirs for _, theirs in apart)


def _compile(case: Case) -> str:
    return f"compile {case.compile}" if case.is_compiled else case.compile


def varied_batches(cases: Iterable[Case]) -> set[str]:
    """Return the workloads that occur with several global batch sizes, so that their names must tell which."""
    sizes: dict[str, set[int]] = {}
    for case in cases:
        sizes.setdefault(case.workload, set()).add(case.global_batch_size)
    return {workload for workload, found in sizes.items() if len(found) > 1}
