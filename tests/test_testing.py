"""The bars of a test, on steps that are made up."""

from collections.abc import Callable

import pytest

from bench.case import Case
from bench.comparing.sides import Side, figures_of
from bench.result import CaseResult, Environment
from bench.results.frame import Run
from bench.results.rows import rows
from bench.testing import InconclusiveWarning, Step

MIB = 2**20
HERE = Environment(hard={"torch": "2.13.0"})


@pytest.fixture(name="made")
def _made(
    make_case: Callable[..., Case], make_rounds: Callable[..., list[CaseResult]], make_run: Callable[..., Run]
) -> Callable[..., Step]:
    """Return the maker of a step against a baseline of 4 ms."""

    def side(seconds: float, environment: Environment, num_rounds: int, **fields: object) -> tuple[Run, Side]:
        steps = [seconds * (1 + 0.001 * (number % 3)) for number in range(num_rounds)]
        run = make_run(make_rounds(make_case(), steps, **fields), environment=environment)
        return run, Side(name="", environment=environment, cases=figures_of(run.plan, run.results))

    def make(
        seconds: float = 0.004, base: Environment = HERE, num_rounds: int = 8, is_saved: bool = True, **fields: object
    ) -> Step:
        run, now = side(seconds, HERE, num_rounds, **fields)
        _, then = side(0.004, base, 8)
        (row,) = rows(run)
        return Step(_row=row, _side=now, _saved=lambda _name: then if is_saved else None)

    return make


def test_figures_are_those_of_results_csv(made: Callable[..., Step]) -> None:
    step = made()
    assert step.seconds == pytest.approx(0.004, rel=0.01)
    assert step.peak_memory == 12 * MIB
    assert step["parameters"] == 1000
    assert step.flags == ()
    assert step.samples_per_second == pytest.approx(64 / step.seconds)
    for name in ("nonsense", "memory_source"):
        with pytest.raises(KeyError, match=f"no figure '{name}' is known of mlp-cpu-single-fp32-b64-d1"):
            step[name]


def test_a_step_that_is_slower_fails_its_test(made: Callable[..., Step]) -> None:
    made(0.004).must_not_be_slower_than("then")
    made(0.0035).must_not_be_slower_than("then")
    with pytest.raises(pytest.fail.Exception, match=r"slower than 'then' by \+10.0 %, at least \+9\.\d %"):
        made(0.0044).must_not_be_slower_than("then")
    made(0.0044).must_not_be_slower_than("then", margin=0.2)


def test_while_it_is_saved_nothing_is_judged(made: Callable[..., Step]) -> None:
    made(0.1, is_saved=False).must_not_be_slower_than("then")


def test_what_cannot_be_told_is_a_warning(made: Callable[..., Step]) -> None:
    with pytest.warns(InconclusiveWarning, match="not slower than 'then' for all that is known: flagged few_rounds"):
        made(0.0044, num_rounds=3).must_not_be_slower_than("then")


def test_a_baseline_of_another_machine_or_another_model_is_none(made: Callable[..., Step]) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"'then' was saved elsewhere: torch was 2\.11\.0 and"):
        made(base=Environment(hard={"torch": "2.11.0"})).must_not_be_slower_than("then")
    with pytest.raises(
        pytest.fail.Exception, match="another model under the same name: parameters was 1,000 and is now"
    ):
        made(parameters=2000).must_not_be_slower_than("then")
