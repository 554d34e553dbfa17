"""
Asks several tools whether a revision is slower: one that does the same work, and one that does 5 % more.

    python tests/peers/gates.py --out DIR [--repeats 10] [--tools stepbench-ab,pyperf]

Every repeat asks every tool once about each revision, in random order. DIR/gates.jsonl has one line for each; those
that are there are not asked again, so Ctrl-C loses at most one. Needs the extra `peers`. Ends with the table;
`report.py` writes it to reports/peers.
"""

import datetime
import importlib.util
import sys
from pathlib import Path

from tests.peers.ab import without_directories
from tests.peers.gate_section import gates_section
from tests.peers.gate_tools import GATES, HEADS
from tests.peers.gated import FILE_NAME, Gated
from tests.peers.load import Watch
from tests.peers.report import read_gates
from tests.peers.resumable import empty_folder, measure_missing, parser_of
from tests.peers.run import planned
from tests.peers.tools import ToolError


def main() -> int:
    """Ask what is missing, print the table, and return the exit status."""
    parser = parser_of(GATES)
    options = parser.parse_args()
    tools = options.tools.split(",")
    if unknown := [name for name in tools if name not in GATES]:
        parser.error(f"--tools: '{unknown[0]}' is not one of {', '.join(GATES)}")
    if "pyperf" in tools and importlib.util.find_spec("pyperf") is None:
        parser.error("pyperf is not installed: python -m pip install -c constraints.txt -e '.[peers,test]'")
    path = (options.out / FILE_NAME).resolve()
    names = planned([f"{tool} {head}" for tool in tools for head in HEADS], options.repeats)
    order = [(*name.split(), repeat) for name, repeat in names]
    done = {(unit.tool, unit.head, unit.repeat) for unit in read_gates(path)}
    status = measure_missing(
        path, "gate", order, done, lambda tool, head, repeat: observe(tool, head, repeat, path.parent / "unit")
    )
    print(gates_section(read_gates(path)))
    return status


def observe(tool: str, head: str, repeat: int, folder: Path) -> Gated:
    """Ask *tool* once in *folder*, which is empty before and gone afterwards."""
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    watch = Watch()
    heard, failure = None, None
    with empty_folder(folder):
        try:
            heard = GATES[tool](folder, head, repeat)
        except (ToolError, OSError, ValueError, LookupError) as error:  # also output that is not what it should be
            failure = without_directories(f"{type(error).__name__}: {error}")
            print(f"{tool}: {failure}", file=sys.stderr)
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
