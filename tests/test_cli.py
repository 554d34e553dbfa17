"""The command line in this process: which command is meant, and every mistake as one line and exit status 2."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from bench import __version__, registry
from bench.cli import main
from bench.commands import _measure

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run_bench.py"])


@pytest.fixture(name="refusal")
def _refusal(capsys: Capture, tmp_path: Path) -> Callable[..., str]:
    """Return what gives the one line that a mistake comes to, having checked that it is one and nothing else."""

    def refusal(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(list(arguments)) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert shown.err.startswith("error: ")
        assert shown.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return shown.err.removeprefix("error: ").rstrip("\n")

    return refusal


def test_a_misspelt_command_is_told_the_nearest(refusal: Callable[..., str]) -> None:
    assert refusal("lsit") == "command 'lsit' is not known; did you mean 'list'?"


def test_a_command_like_no_other_is_told_which_there_are(refusal: Callable[..., str]) -> None:
    assert re.fullmatch(r"command 'zzz' is not known; known: .*\blist\b.*\brun\b.*", refusal("zzz"))


@pytest.mark.parametrize("command", [[], ["run"]])
@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--preciison", "'--preciison' is not an option; did you mean --precision?"),
        ("--preciison=fp32", "'--preciison=fp32' is not an option; did you mean --precision?"),
        ("--round", "'--round' is not an option; did you mean --rounds?"),  # never taken for an abbreviation
        ("--qqqqqq", "'--qqqqqq' is not an option; see --help"),
    ],
)
def test_a_misspelt_option_is_told_the_nearest(
    refusal: Callable[..., str], command: list[str], argument: str, complaint: str
) -> None:
    assert refusal(*command, argument) == complaint


def test_a_stray_word_is_no_option(refusal: Callable[..., str]) -> None:
    assert refusal("--rounds", "2", "mlp") == "'mlp' is one word too many; see --help"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--precision amp_bf61", "--precision: 'amp_bf61' is not known; did you mean 'amp_bf16'?"),
        ("--precision fp32,pf32", "--precision: 'pf32' is not known; did you mean 'fp32'?"),
        ("--device gpu", "--device: 'gpu' is not known; did you mean 'accelerator'?"),
        ("--strategy dp", "--strategy: 'dp' is not known; did you mean 'data_parallel'?"),
        ("--workload transfomer", "--workload: 'transfomer' is not known; did you mean 'transformer'?"),
        (
            "--workload model.py:small",
            "--workload: 'model.py:small': there is no file model.py; a path is relative to the current directory",
        ),
        ("--suite quikc", "suite 'quikc' is not known; did you mean 'quick'?"),
        ("--format cvs", "--format: 'cvs' is not known; did you mean 'csv'?"),
        ("--rounds 0", "--rounds: '0' is not a whole number above 0; write one such as 8"),
        ("--batch-size 8,x", "--batch-size: 'x' is not a whole number above 0; write one such as 8"),
        ("--target 3", "--target: '3' is not a share between 0 and 1; write one such as 2.5%"),
        ("--timeout soon", "--timeout: 'soon' is not a number of seconds up to 1000000; write e.g. 30"),
        ("--rounds", "--rounds: expected one argument"),
        (
            "--batch-size 8 --global-batch-size 8",
            "--batch-size (per device) cannot stand beside --global-batch-size (over all); keep one",
        ),
        ("--out a --resume b", "--out cannot stand beside --resume; a resumed run stays in its directory"),
        ("--compile defualt", "--compile: 'defualt' is not known; did you mean 'default'?"),
    ],
)
def test_a_wrong_value_names_option_value_and_cure(refusal: Callable[..., str], arguments: str, complaint: str) -> None:
    assert refusal(*arguments.split()) == complaint


def test_a_choice_that_is_not_there_is_one_line(refusal: Callable[..., str]) -> None:
    assert refusal("--start-method", "fork").startswith("--start-method: invalid choice: 'fork'")


def test_resuming_what_is_no_run_is_refused_before_anything_is_started(
    refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_measure, "_pool", None)
    assert refusal("--resume", "nowhere") == ("--resume 'nowhere' holds no results.jsonl; give the directory of a run")


def test_a_wrong_option_of_another_command_is_one_line(refusal: Callable[..., str]) -> None:
    assert refusal("list", "--rounds") == "'--rounds' is not an option; see --help"


def test_list_shows_what_there_is(capsys: Capture) -> None:
    assert main(["list"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for package in ("workloads", "strategies", "reporting"):
        assert all(name in shown.out for name in registry.names(package))
    for word in ("fp32", "tf32", "amp_bf16", "amp_fp16", "quick", "default", "gpu", "transformer:gpt2"):
        assert word in shown.out


def test_help_names_the_options_and_the_other_commands(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    options = "suite workload device strategy precision compile batch-size num-devices input loop rounds budget target"
    for option in (
        *options.split(),
        "timeout",
        "seed",
        "out",
        "resume",
        "label",
        "format",
        "quiet",
        "dry-run",
        "version",
    ):
        assert f"--{option}" in shown
    assert re.search(r"^  list +Show the ", shown, re.MULTILINE)


@pytest.mark.parametrize("command", registry.names("commands"))
def test_every_command_has_help_that_begins_with_its_summary(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert registry.summary("commands", command) in " ".join(capsys.readouterr().out.split())


def test_the_version_is_shown(capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"stepbench {__version__}\n"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_dry_run_ends_without_a_word(
    number: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def interrupt(*_arguments: object, **_keywords: object) -> NoReturn:
        os.kill(os.getpid(), number)
        time.sleep(5)
        pytest.fail("the signal did not come")

    monkeypatch.setattr(_measure, "_pool", interrupt)
    assert main(["--dry-run"]) == status
    assert capsys.readouterr().err == ""


def test_ctrl_c_before_a_run_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def interrupt(*_arguments: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.commands.list.execute", interrupt)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    program = registry.PACKAGE_DIR.parent / "run_bench.py"
    with subprocess.Popen(
        [sys.executable, str(program), "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()  # as `| head -0` does
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(30) == 0
