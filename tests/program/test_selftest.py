"""The self-test as a person runs it."""

import signal
import time

from tests.program.sandbox import Sandbox, one_line


def test_two_checks_that_no_noise_can_disturb_hold_and_nothing_is_left(sandbox: Sandbox) -> None:
    before = sandbox.files()
    ended = sandbox.run("selftest", "--check", "border,missing_synchronise")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [
        ("check", "verdict"),
        ("border", "holds"),
        ("missing_synchronise", "holds"),
    ]
    assert [line.partition(":")[0] for line in ended.stderr.splitlines()] == [
        "starting the process that starts workers",
        "[1/2] border",
        "[2/2] missing_synchronise",
    ]
    assert "\x1b" not in ended.stdout + ended.stderr
    assert sandbox.files() == before


def test_an_unknown_check_is_one_line(sandbox: Sandbox) -> None:
    ended = sandbox.run("selftest", "--check", "borders")
    assert one_line(ended.stderr) == "error: --check: 'borders' is not known; did you mean 'border'?"
    assert (ended.returncode, ended.stdout) == (2, "")


def test_an_interrupted_self_test_leaves_nothing(sandbox: Sandbox) -> None:
    with sandbox.start("selftest", "--check", "same_case") as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("starting")
        assert process.stderr.readline().startswith("[1/1] same_case")
        time.sleep(0.3)  # a worker is busy by now
        process.send_signal(signal.SIGINT)
        ended = sandbox.wait(process)
    assert ended.returncode == 130
    assert one_line(ended.stderr) == "SIGINT: 0 of 1 checks were done"
