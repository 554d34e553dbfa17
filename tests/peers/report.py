"""
Writes what run.py, coverage.py and gates.py measured to a folder of reports/peers, the raw lines beside it.

    python tests/peers/report.py DIR [--to FOLDER]
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.record import from_plain
from bench.registry import PACKAGE_DIR
from tests.peers import gated, lines, machine, pair, unit
from tests.peers.gate_section import gates_section
from tests.peers.gated import Gated
from tests.peers.pair import Pair
from tests.peers.sections import coverage_section, peers_section
from tests.peers.unit import Unit


def main() -> None:
    """Write README.md and copies of the raw lines."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--to", type=Path, help="by default reports/peers/DATE-N-cores")
    options = parser.parse_args()
    files = [options.directory / name for name in (unit.FILE_NAME, pair.FILE_NAME, gated.FILE_NAME)]
    found = [line for file in files for line in lines.read(file)]
    sittings = [line for line in found if line["kind"] == "sitting"]
    if not sittings:
        parser.error(f"{options.directory}: none of {', '.join(file.name for file in files)} of a measurement is there")
    usual = f"{sittings[0]['started_at'][:10]}-{sittings[0]['cores']}-cores"
    folder = options.to or PACKAGE_DIR.parent / "reports" / "peers" / usual
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.is_file():
            shutil.copy(file, folder)
    text = page(sittings, read_units(files[0]), read_pairs(files[1]), read_gates(files[2]))
    (folder / "README.md").write_text(text, encoding="utf-8")
    print(folder / "README.md")


def read_units(path: Path) -> list[Unit]:
    """Return the units of *path*."""
    return [from_plain(Unit, line) for line in lines.read(path) if line["kind"] == "unit"]


def read_pairs(path: Path) -> list[Pair]:
    """Return the pairs of *path*."""
    return [from_plain(Pair, line) for line in lines.read(path) if line["kind"] == "pair"]


def read_gates(path: Path) -> list[Gated]:
    """Return the comparisons of *path*."""
    return [from_plain(Gated, line) for line in lines.read(path) if line["kind"] == "gate"]


def page(
    sittings: Sequence[dict[str, Any]], units: Sequence[Unit], pairs: Sequence[Pair], gates: Sequence[Gated]
) -> str:
    """Return the whole page in Markdown, with a section for each thing that was measured."""
    return "\n".join([
        "# Time to a trusted figure",
        "",
        "One training step (mlp:small, batch of 64, fp32, fused AdamW; the suite's own code) timed by several tools.",
        "Made by `python tests/peers/run.py`, `coverage.py` and `gates.py`; the raw lines are beside it.",
        "",
        *machine.described(sittings),
        *(["", peers_section(units)] if units else ()),
        *(["", coverage_section(pairs)] if pairs else ()),
        *(["", gates_section(gates)] if gates else ()),
        "",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
