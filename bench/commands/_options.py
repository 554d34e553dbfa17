"""Turns the text of an option into its value, with an error that names the cure."""

import argparse
import math

from bench import registry
from bench.errors import UsageError, unknown_value
from bench.precisions import PRECISIONS

TYPE_CHECKING = False  # as in typing, whose import alone would cost --help a fifth of its time
if TYPE_CHECKING:
    from typing import NoReturn

FIGURE_FORMATS = ("png", "svg")
"""What figures can be saved as; the first is the usual one."""
MAX_SECONDS = 1_000_000
"""Eleven days; poll(2) takes no more than 2^31 milliseconds."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage that argparse prints before it."""

    def error(self, message: str) -> "NoReturn":
        """Raise the mistake, for whoever called to tell it."""
        raise UsageError(message.removeprefix("argument "))


def words(text: str) -> list[str]:
    """Split a comma-separated value."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise argparse.ArgumentTypeError(f"'{text}' has an empty value; write A,B or repeat the option")
    return parts


def whole_numbers(text: str) -> list[int]:
    """Split a comma-separated value into numbers above 0."""
    return [positive_int(part) for part in words(text)]


def positive_int(text: str) -> int:
    """Return a whole number above 0."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0; write one such as 8")
    return int(text)


def natural_int(text: str) -> int:
    """Return a whole number from 0."""
    if not (text.isascii() and text.isdigit() and int(text) < 2**63):
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number below 2^63; write one such as 0")
    return int(text)


def seconds(text: str) -> float:
    """Return a positive number of seconds, written with or without an s."""
    value = _number(text.removesuffix("s"))
    if value is None or value > MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds up to {MAX_SECONDS}; write e.g. 30")
    return value


def ratio(text: str) -> float:
    """Return a share between 0 and 1, written as such or in percent."""
    value = _number(text.removesuffix("%"))
    if value is not None and text.endswith("%"):
        value /= 100
    if value is None or value >= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share between 0 and 1; write one such as 2.5%")
    return value


def rates(text: str) -> list[tuple[str, float]]:
    """Return pairs of a number format and its TFLOP/s, written ``bf16=989,fp32=67``."""
    known = sorted({precision.number_format for precision in PRECISIONS.values()})
    pairs = []
    for word in words(text):
        name, _, value = word.partition("=")
        rate = _number(value)
        if name not in known or rate is None:
            cure = f"write FORMAT=TFLOPS, such as bf16=989; formats are {', '.join(known)}"
            raise argparse.ArgumentTypeError(f"'{word}' is not a format and its dense rate; {cure}")
        pairs.append((name, rate))
    return pairs


def option(name: str) -> str:
    """Return how an option is written whose value is kept under *name*."""
    return f"--{name.replace('_', '-')}"


def axis_values(text: str) -> tuple[str, list[str]]:
    """Return an axis and two or more of its values, written ``precision=fp32,amp_bf16``."""
    axis, _, values = text.partition("=")
    name = axis.strip().replace("-", "_")
    found = list(dict.fromkeys(words(values))) if values else []
    if not name or len(found) < 2:  # noqa: PLR2004 (a base, and something beside it)
        raise argparse.ArgumentTypeError(
            f"'{text}' is not an axis with two values or more; write one such as precision=fp32,amp_bf16"
        )
    return name, found


def add_formats(parser: argparse._ActionsContainer) -> None:
    """Add which reports are written, and as what figures are saved."""
    known = ", ".join(registry.names("reporting"))
    parser.add_argument("--format", action="extend", type=words, metavar="NAME", help=known)
    parser.add_argument(
        "--figure-format",
        action="extend",
        type=words,
        metavar="NAME",
        help=f"of figures: {', '.join(FIGURE_FORMATS)} ({FIGURE_FORMATS[0]})",
    )


def checked_formats(options: argparse.Namespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """
    Return the formats to write, those given or else all, and what figures are saved as.

    Raises:
        UsageError: If one is not known.
    """
    known = {"format": registry.names("reporting"), "figure_format": FIGURE_FORMATS}
    for key, values in known.items():
        for name in getattr(options, key) or ():
            if name not in values:
                raise unknown_value("", name, values, f"{option(key)}: ")
    formats, figure_formats = options.format or known["format"], options.figure_format or FIGURE_FORMATS[:1]
    return tuple(dict.fromkeys(formats)), tuple(dict.fromkeys(figure_formats))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
