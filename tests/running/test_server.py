"""What another interpreter finds of this installation."""

import sys
from pathlib import Path

from bench.registry import PACKAGE_DIR
from bench.running.server import Server

LOOK = """#!{python}
import os, pathlib, sys
(pathlib.Path(sys.argv[5]) / "seen").write_text(repr((sys.argv, os.environ["PYTHONPATH"])))
"""


def _seen(directory: Path, python: str) -> str:
    server = Server(directory, "spawn", {}, python)
    server.stop()
    return (directory / "seen").read_text()


def test_another_interpreter_finds_this_package_and_nothing_that_is_installed_beside_it(tmp_path: Path) -> None:
    """Else it would import the torch of the installation that calls it, and both sides would be the same."""
    other = tmp_path / "python"
    other.write_text(LOOK.format(python=sys.executable))
    other.chmod(0o755)
    seen = _seen(tmp_path / "server", str(other))
    harness = tmp_path / "server" / "harness"
    assert [path.name for path in harness.iterdir()] == ["bench"]
    assert (harness / "bench").resolve() == PACKAGE_DIR.resolve()
    assert str(harness) in seen
    assert str(PACKAGE_DIR.parent) not in seen
