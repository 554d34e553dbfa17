"""
Asks several tools whether a revision is slower: one that does the same work, and one that does 5 % more.

    python tests/peers/gates.py --out DIR [--repeats 10] [--tools stepbench-ab,pyperf]

Every repeat asks every tool once about each revision, in random order. DIR/gates.jsonl has one line for each; those
that are there are not asked again, so Ctrl-C loses at most one. Needs the extra `peers`. Ends with the table;
`report.py` writes it to reports/peers.
"""

import argparse
import datetime
import importlib.util
import shutil
import sys
from pathlib import Path

from bench.record import to_plain
from bench.running.session import Interrupted, interrupts_raised
from tests.peers import lines, machine
from tests.peers.ab import without_directories
from tests.peers.gate_section import gates_section
from tests.peers.gate_tools import GATES, HEADS
from tests.peers.gated import FILE_NAME, Gated
from tests.peers.load import Watch
from tests.peers.report import read_gates
from tests.peers.run import planned
from tests.peers.tools import ToolError


def main() -> int:
    """Ask what is missing, print the table, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--tools", default=",".join(GATES), help="comma-separated, of: " + ", ".join(GATES))
    options = parser.parse_args()
    tools = options.tools.split(",")
    if unknown := [name for name in tools if name not in GATES]:
        parser.error(f"--tools: '{unknown[0]}' is not one of {', '.join(GATES)}")
    if "pyperf" in tools and importlib.util.find_spec("pyperf") is None:
        parser.error("pyperf is not installed: python -m pip install -c constraints.txt -e '.[peers,test]'")
    path = (options.out / FILE_NAME).resolve()
    status = 0
    try:
        with interrupts_raised():
            _measure(path, tools, options.repeats)
    except Interrupted as interrupted:
        status = interrupted.exit_status
        print(f"{interrupted}: run the same command to continue", file=sys.stderr)
    print(gates_section(read_gates(path)))
    return status


def _measure(path: Path, tools: list[str], repeats: int) -> None:
    lines.continued(path)
    done = {(f"{unit.tool} {unit.head}", unit.repeat) for unit in read_gates(path)}
    order = planned([f"{tool} {head}" for tool in tools for head in HEADS], repeats)
    missing = [key for key in order if key not in done]
    if missing:
        lines.append(path, {"kind": "sitting", **machine.sitting()})
    for number, (name, repeat) in enumerate(missing, 1):
        print(f"[{number}/{len(missing)}] repeat {repeat}: {name}", file=sys.stderr, flush=True)
        tool, head = name.split()
        unit = observe(tool, head, repeat, path.parent / "unit")
        lines.append(path, {"kind": "gate", **to_plain(unit)})


def observe(tool: str, head: str, repeat: int, folder: Path) -> Gated:
    """Ask *tool* once in *folder*, which is empty before and gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    watch = Watch()
    heard, failure = None, None
    try:
        heard = GATES[tool](folder, head, repeat)
    except (ToolError, OSError, ValueError, LookupError) as error:  # also output that is not what it should be
        failure = without_directories(f"{type(error).__name__}: {error}")
        print(f"{tool}: {failure}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Gated(
        tool=tool,
        head=head,
        repeat=repeat,
        started_at=started_at,
        heard=heard,
        failure=failure,
        load=watch.load(),
    )


if __name__ == "__main__":
    sys.exit(main())
