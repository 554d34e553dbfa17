"""Where a run's files go: what is taken, and what is refused before anything is measured."""

import re
from pathlib import Path

import pytest

from bench.commands import _destination
from bench.commands._destination import make_directory, point_latest_at, usual_directory
from bench.errors import UsageError
from bench.running import journal


def _refusal(directory: Path) -> str:
    with pytest.raises(UsageError) as caught:
        make_directory(directory)
    return str(caught.value)


def test_a_new_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    make_directory(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_with_a_run_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / journal.FILE_NAME).touch()
    assert _refusal(tmp_path) == (
        f"--out '{tmp_path}' holds a run; continue it with --resume, or name another directory"
    )


def test_a_directory_with_anything_else_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    assert _refusal(tmp_path) == f"--out '{tmp_path}' is not empty; name a new directory"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("mine")
    assert _refusal(path) == f"--out '{path}' is a file; name a directory"
    assert path.read_text() == "mine"


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "out"
    assert _refusal(path) == f"--out '{path}' leads through a file; name a directory"


@pytest.mark.parametrize("path", [Path("/proc/stepbench"), Path("/proc/self")])
def test_a_directory_that_cannot_be_written_is_refused_with_the_reason(path: Path) -> None:
    if not Path("/proc/self").is_dir():
        pytest.skip("needs /proc: as root, permission bits do not hold")
    assert re.fullmatch(rf"--out '{path}' cannot be written \(.+\); name another directory", _refusal(path))


def test_the_option_that_named_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(UsageError, match=r"the reports directory '.*' is not empty"):
        make_directory(tmp_path, "the reports directory")


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    checkout = tmp_path / "checkout"
    (checkout / "bench").mkdir(parents=True)
    (checkout / "run_bench.py").touch()
    monkeypatch.setattr(_destination, "PACKAGE_DIR", checkout / "bench")
    monkeypatch.setattr("socket.gethostname", lambda: "node-1.example.org")
    return checkout


def test_inside_the_checkout_runs_go_to_its_reports(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "bench")
    directory = usual_directory("abc123")
    assert directory.parent == checkout / "reports"
    assert re.fullmatch(r"\d{8}T\d{6}Z-node_1-abc123", directory.name)


def test_outside_the_checkout_runs_go_to_reports_in_the_current_folder(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert usual_directory("abc123").parent == tmp_path / "reports"


def test_an_installed_package_is_no_checkout(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "run_bench.py").unlink()
    monkeypatch.chdir(checkout / "bench")
    assert usual_directory("").parent == checkout / "bench" / "reports"


def test_without_a_commit_the_name_ends_with_the_host(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    assert re.fullmatch(r"\d{8}T\d{6}Z-node_1", usual_directory("").name)


def test_latest_points_at_the_newest_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        point_latest_at(tmp_path / name)
    assert (tmp_path / "latest").resolve() == tmp_path / "two"
    assert str((tmp_path / "latest").readlink()) == "two"  # relative, so that the folder can be moved


def test_something_else_called_latest_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "one").mkdir()
    point_latest_at(tmp_path / "one")
    assert (tmp_path / "latest").is_dir()
    assert not (tmp_path / "latest").is_symlink()
