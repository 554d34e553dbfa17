"""The values of options: what is understood, and the one line that names the cure."""

import argparse
from collections.abc import Callable
from typing import Any

import pytest

from bench.commands import _options


def _refusal(parse: Callable[[str], Any], text: str) -> str:
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("fp32", ["fp32"]), ("fp32,amp_bf16", ["fp32", "amp_bf16"]), (" a , b ", ["a", "b"])]
)
def test_words_are_split_at_commas(text: str, expected: list[str]) -> None:
    assert _options.words(text) == expected


@pytest.mark.parametrize("text", ["", ",", "a,", ",a", "a,,b", "a, ,b"])
def test_an_empty_word_is_refused(text: str) -> None:
    assert _refusal(_options.words, text) == f"'{text}' has an empty value; write A,B or repeat the option"


def test_whole_numbers_are_split_at_commas() -> None:
    assert _options.whole_numbers("8, 16,32") == [8, 16, 32]


@pytest.mark.parametrize("text", ["8,", "8,x"])
def test_one_wrong_number_of_several_is_refused(text: str) -> None:
    assert _refusal(_options.whole_numbers, text)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "1e3", str(2**63), "٣", "²", "x", "+1"])
def test_what_is_no_whole_number_above_0_is_refused(text: str) -> None:
    assert _refusal(_options.positive_int, text) == f"'{text}' is not a whole number above 0; write one such as 8"


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("007", 7), ("300", 300)])
def test_a_whole_number_above_0(text: str, expected: int) -> None:
    assert _options.positive_int(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("12", 12)])
def test_a_whole_number_from_0(text: str, expected: int) -> None:
    assert _options.natural_int(text) == expected


@pytest.mark.parametrize("text", ["-1", "1.0", "", "seed", str(2**63)])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    assert _refusal(_options.natural_int, text) == f"'{text}' is not a whole number below 2^63; write one such as 0"


@pytest.mark.parametrize(("text", "expected"), [("30", 30.0), ("30s", 30.0), ("0.5", 0.5), ("1e2", 100.0)])
def test_seconds_are_written_with_or_without_an_s(text: str, expected: float) -> None:
    assert _options.seconds(text) == expected


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "", "s", "30ss", "5 min", "1000001"])
def test_what_is_no_positive_time_is_refused(text: str) -> None:
    complaint = f"'{text}' is not a number of seconds up to 1000000; write e.g. 30"
    assert _refusal(_options.seconds, text) == complaint


@pytest.mark.parametrize(("text", "expected"), [("2.5%", 0.025), ("0.025", 0.025), ("50 %", 0.5), ("99%", 0.99)])
def test_a_share_is_written_as_such_or_in_percent(text: str, expected: float) -> None:
    assert _options.ratio(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["0", "0%", "1", "100%", "2.5", "-1%", "nan%", "%", ""])
def test_what_is_no_share_between_0_and_1_is_refused(text: str) -> None:
    assert _refusal(_options.ratio, text) == f"'{text}' is not a share between 0 and 1; write one such as 2.5%"


def test_peak_rates_are_pairs_of_format_and_tflops() -> None:
    assert _options.rates("bf16=989.4, fp32=67") == [("bf16", 989.4), ("fp32", 67.0)]


@pytest.mark.parametrize("text", ["989", "fp8=1979", "bf16", "bf16=", "bf16=-1", "bf16=inf", "bf16=many"])
def test_a_rate_without_its_format_or_of_no_size_is_refused(text: str) -> None:
    cure = "write FORMAT=TFLOPS, such as bf16=989; formats are bf16, fp16, fp32, tf32"
    assert _refusal(_options.rates, text) == f"'{text}' is not a format and its dense rate; {cure}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("precision=fp32,amp_bf16", ("precision", ["fp32", "amp_bf16"])),
        (" batch-size = 8, 16", ("batch_size", ["8", "16"])),
        ("workload=a.py:f,b.py:f", ("workload", ["a.py:f", "b.py:f"])),
        ("precision=fp32,amp_bf16,fp32", ("precision", ["fp32", "amp_bf16"])),
    ],
)
def test_an_axis_and_its_values_are_read_with_each_value_once(text: str, expected: tuple[str, list[str]]) -> None:
    assert _options.axis_values(text) == expected


@pytest.mark.parametrize("text", ["precision", "precision=", "precision=fp32", "precision=fp32,fp32", "=fp32,tf32", ""])
def test_an_axis_needs_two_values(text: str) -> None:
    complaint = f"'{text}' is not an axis with two values or more; write one such as precision=fp32,amp_bf16"
    assert _refusal(_options.axis_values, text) == complaint
