"""The self-test as a program: the checks that need no quiet machine hold, and a broken one fails by name."""

import pytest

from bench.commands import _selftest
from bench.selftest._check import Finding
from tests.program.sandbox import Sandbox


def test_the_checks_that_need_no_quiet_machine_hold_and_leave_nothing(sandbox: Sandbox) -> None:
    done = sandbox.run("selftest", "--check", "missing_synchronise")
    assert done.returncode == 0, done.stderr
    assert "holds" in done.stdout
    assert sandbox.leftovers() == []


def test_a_misspelt_check_is_one_line_with_the_nearest(sandbox: Sandbox) -> None:
    done = sandbox.run("selftest", "--check", "bordr")
    assert (done.returncode, done.stdout) == (2, "")
    assert "border" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [(["holds", "holds"], 0), (["holds", "fails"], 1), (["undecidable", "holds"], 3), (["undecidable", "fails"], 1)],
)
def test_one_failure_outweighs_all_and_what_cannot_be_told_is_no_pass(
    verdicts: list[str], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = {
        name: Finding(verdict=verdict, figure="1.03", bar="within 1 %")  # type: ignore[arg-type]  # parametrised texts
        for name, verdict in zip(("border", "bare_loop"), verdicts, strict=True)
    }
    assert _selftest._conclude(findings) == status
    told = capsys.readouterr().err
    assert ("FAILS" in told) == ("fails" in verdicts)
    assert ("UNDECIDABLE" in told) == ("undecidable" in verdicts)
