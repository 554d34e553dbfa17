"""
Times one training step under several tools, in turn: how long until a figure can be trusted, and whether it can.

    python tests/peers/run.py --out DIR [--repeats 10] [--tools stepbench,pyperf]

Every repeat runs every tool once, in random order, each as a command of its own. DIR/units.jsonl has one line for each;
those that are there are not run again, so Ctrl-C loses at most the tool that is running. Needs the extra `peers`.
Ends with the table; `report.py` writes it to reports/peers.
"""

import argparse
import datetime
import importlib.util
import random
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.record import to_plain
from bench.running.session import Interrupted, interrupts_raised
from tests.peers import lines, machine
from tests.peers.load import Watch
from tests.peers.report import read_units
from tests.peers.sections import peers_section
from tests.peers.tools import TOOLS, ToolError
from tests.peers.unit import FILE_NAME, Unit


def main() -> int:
    """Run what is missing, print the table, and return the exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--tools", default=",".join(TOOLS), help="comma-separated, of: " + ", ".join(TOOLS))
    options = parser.parse_args()
    tools = options.tools.split(",")
    if problem := _problem_with(tools):
        parser.error(problem)
    path = (options.out / FILE_NAME).resolve()
    done = {(unit.tool, unit.repeat) for unit in read_units(path)}
    missing = [key for key in planned(tools, options.repeats) if key not in done]
    status = 0
    try:
        with interrupts_raised():
            if missing:
                lines.continued(path)
                lines.append(path, {"kind": "sitting", **machine.sitting()})
            for number, (name, repeat) in enumerate(missing, 1):
                print(f"[{number}/{len(missing)}] repeat {repeat}: {name}", file=sys.stderr, flush=True)
                unit = observe(name, repeat, path.parent / "unit")
                lines.append(path, {"kind": "unit", **to_plain(unit)})
    except Interrupted as interrupted:
        status = interrupted.exit_status
        print(f"{interrupted}: run the same command to continue", file=sys.stderr)
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
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    watch = Watch()
    observation, failure = None, None
    try:
        observation = TOOLS[name].observe(folder)
    except (ToolError, OSError, ValueError, LookupError) as error:  # also output that is not what it should be
        failure = f"{type(error).__name__}: {error}"
        print(f"{name}: {failure}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
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
