"""
Times one training step under several tools, in turn: how long until a figure can be trusted, and whether it can.

    python tests/peers/run.py --out DIR [--repeats 10] [--tools stepbench,pyperf]

Every repeat runs every tool once, in random order, each as a command of its own. DIR/units.jsonl has one line for each;
those that are there are not run again, so Ctrl-C loses at most the tool that is running. Needs the extra `peers`.
Ends with the table; `report.py` writes it to reports/peers.
"""

import datetime
import importlib.util
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.peers.load import Watch
from tests.peers.report import read_units
from tests.peers.resumable import empty_folder, measure_missing, parser_of
from tests.peers.sections import peers_section
from tests.peers.tools import TOOLS, ToolError
from tests.peers.unit import FILE_NAME, Unit


def main() -> int:
    """Run what is missing, print the table, and return the exit status."""
    parser = parser_of(TOOLS)
    options = parser.parse_args()
    tools = options.tools.split(",")
    if problem := _problem_with(tools):
        parser.error(problem)
    path = (options.out / FILE_NAME).resolve()
    done = {(unit.tool, unit.repeat) for unit in read_units(path)}
    status = measure_missing(
        path, "unit", planned(tools, options.repeats), done,
        lambda name, repeat: observe(name, repeat, path.parent / "unit"),
    )  # fmt: skip
    print(peers_section(read_units(path)))
    return status


def planned(tools: Sequence[str], repeats: int) -> list[tuple[str, int]]:
    """Return tool and repeat of every unit in the order in which they run, the same after a restart."""
    order = []
    for repeat in range(repeats):
        names = sorted(tools)
        random.Random(repeat).shuffle(names)
        order += [(name, repeat) for name in names]
    return order


def observe(name: str, repeat: int, folder: Path) -> Unit:
    """Run the tool *name* once in *folder*, which is empty before and gone afterwards."""
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    watch = Watch()
    observation, failure = None, None
    with empty_folder(folder):
        try:
            observation = TOOLS[name].observe(folder)
        except (ToolError, OSError, ValueError, LookupError) as error:  # also output that is not what it should be
            failure = f"{type(error).__name__}: {error}"
            print(f"{name}: {failure}", file=sys.stderr)
    return Unit(
        tool=name, repeat=repeat, started_at=started_at, observation=observation, failure=failure, load=watch.load()
    )


def _problem_with(tools: Sequence[str]) -> str | None:
    for name in tools:
        if name not in TOOLS:
            return f"--tools: '{name}' is not one of {', '.join(TOOLS)}"
        needs = TOOLS[name].needs
        if needs and importlib.util.find_spec(needs) is None:
            return f"{needs} is not installed: python -m pip install -c constraints.txt -e '.[peers,test]'"
    return None


if __name__ == "__main__":
    sys.exit(main())
