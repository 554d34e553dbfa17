"""The one line that a person sees: what was given, and the cure."""

import pytest

from bench import errors


@pytest.mark.parametrize(
    ("value", "near"),
    [("transfomer", "transformer"), ("MLP", "mlp"), ("mpl", "mlp"), ("zzz", None), ("", None)],
)
def test_the_nearest_is_found_whatever_the_case_of_its_letters(value: str, near: str | None) -> None:
    assert errors.nearest(value, ("transformer", "mlp")) == near


def test_the_nearest_is_spelt_as_it_is_known() -> None:
    assert errors.nearest("mynet", ("MyNet", "other")) == "MyNet"


def test_an_unknown_value_with_a_neighbour_is_told_its_name() -> None:
    assert str(errors.unknown_value("precision", "pf32", ("tf32", "fp32"), "here: ")) == (
        "here: precision 'pf32' is not known; did you mean 'fp32'?"
    )


def test_an_unknown_value_without_a_neighbour_is_told_what_is_known_in_order() -> None:
    assert str(errors.unknown_value("loop", "zzz", ("b", "a"))) == "loop 'zzz' is not known; known: a, b"


def test_what_is_meant_outdoes_what_is_spelt_alike() -> None:
    assert str(errors.unknown_value("device", "gpu", ("cpu", "cuda"), meant="cuda")) == (
        "device 'gpu' is not known; did you mean 'cuda'?"
    )


def test_a_value_that_is_planned_is_told_what_there_is() -> None:
    assert str(errors.not_there_yet("", "loader", ("resident", "pinned"), "--input: ")) == (
        "--input: 'loader' is not there yet; this version knows: pinned, resident"
    )


def test_every_error_of_the_suite_is_caught_as_one_kind() -> None:
    assert issubclass(errors.UsageError, errors.BenchError)
    assert issubclass(errors.JournalError, errors.BenchError)
