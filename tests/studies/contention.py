"""
Shows that `contended` appears on the rows that a competing process touched, and on no other.

    python tests/studies/contention.py --out DIR [--repeats N]

Each repeat measures the default suite's CPU cases once, so that a row is a visit, and runs busy processes from the
middle of it on. A repeat is a folder; one that is there is not measured again. Ends with 1 if a row is wrong.
"""

import argparse
import dataclasses
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from bench.record import from_plain
from bench.result import CaseResult

PROGRAM = Path(__file__).parents[2] / "run_bench.py"
POLL_SECONDS = 0.02
QUIET_ROWS, BUSY_ROWS = 5, 5
"""Rows before the competitors start, and rows that end while they run; the other six are quiet again."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One case of one repeat."""

    case_id: str
    competitors: str
    """`none`, `all along`, or `partly`: the visits in which they began and ended, of which nothing is asked."""
    is_contended: bool


def main() -> int:
    """Run the repeats that are missing, print the table, and return 0 if every row is as it should be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(options.repeats):
        directory = options.out / f"repeat-{number}"
        if not (directory / "competitors.json").is_file():
            _measure(directory)
        rows += rows_of(directory)
    text = table(rows, options.repeats)
    print(text)
    (options.out / "README.md").write_text(text + "\n", encoding="utf-8")
    return 0 if all(is_right(row) for row in rows) else 1


def is_right(row: Row) -> bool:
    """Whether the flag is there exactly where competitors ran all along."""
    return row.competitors == "partly" or row.is_contended == (row.competitors == "all along")


def rows_of(directory: Path) -> list[Row]:
    """Return the rows of one repeat in the order in which they were measured."""
    frame = pd.read_csv(directory / "run" / "results.csv").set_index("case_id")
    journal = (directory / "run" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    lines = [line for line in map(json.loads, journal) if line["kind"] == "result" and line["measurement"]]
    ids = [from_plain(CaseResult, line).case.id for line in lines]
    touched = json.loads((directory / "competitors.json").read_text(encoding="utf-8"))
    first, last = touched["rows_before"], touched["rows_at_end"]
    kinds = [
        "partly" if number in (first, last) else "all along" if first < number < last else "none"
        for number in range(len(ids))
    ]
    flags = frame["flags"].fillna("")
    return [
        Row(case_id=name, competitors=kind, is_contended="contended" in flags[name].split())
        for name, kind in zip(ids, kinds, strict=True)
    ]


def table(rows: Sequence[Row], repeats: int) -> str:
    """Return what was seen, in Markdown."""
    lines = [
        "# Contention shows where it was",
        "",
        f"{repeats} runs of the default suite's CPU cases, one round each, on {os.cpu_count()} cores.",
        f"Busy processes ran from about row {QUIET_ROWS + 1} to row {QUIET_ROWS + BUSY_ROWS + 1} of each; `partly` are",
        "the visits in which they began and ended. Made by `python tests/studies/contention.py`.",
        "",
        "| competitors | rows | flagged `contended` |",
        "| --- | --- | --- |",
    ]
    for kind in ("none", "all along", "partly"):
        found = [row for row in rows if row.competitors == kind]
        lines.append(f"| {kind} | {len(found)} | {sum(row.is_contended for row in found)} |")
    wrong = [row for row in rows if not is_right(row)]
    lines += ["", *(f"- wrong: {row.case_id} ({row.competitors})" for row in wrong)]
    return "\n".join(lines).rstrip()


def _measure(directory: Path) -> None:
    arguments = ["--rounds", "1", "--device", "cpu", "--strategy", "single,ddp", "--precision", "fp32"]
    arguments += ["--batch-size", "4,8", "--quiet", "--format", "csv", "--out", str(directory / "run")]
    directory.mkdir(exist_ok=True)
    process = subprocess.Popen([sys.executable, str(PROGRAM), *arguments], stdout=subprocess.DEVNULL)
    try:
        first = _wait_for_rows(directory, process, QUIET_ROWS)
        with _competitors(max(1, (os.cpu_count() or 1) // 2)):
            last = _wait_for_rows(directory, process, first + BUSY_ROWS)
        if process.wait() != 0:
            raise SystemExit(f"the run in {directory} failed")
    finally:
        process.kill()
        process.wait()
    touched = {"rows_before": first, "rows_at_end": last}
    (directory / "competitors.json").write_text(json.dumps(touched), encoding="utf-8")


def _wait_for_rows(directory: Path, process: subprocess.Popen[bytes], rows: int) -> int:
    """Return how many rows there are, once there are *rows* of them."""
    path = directory / "run" / "results.jsonl"
    while process.poll() is None:
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        found = sum('"status":"ok"' in line for line in lines)
        if found >= rows:
            return found
        time.sleep(POLL_SECONDS)
    raise SystemExit(f"the run in {directory} ended after fewer than {rows} rows")


@contextmanager
def _competitors(number: int) -> Iterator[None]:
    processes = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(number)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _burn() -> None:
    for _ in itertools.count():
        pass


if __name__ == "__main__":
    sys.exit(main())
