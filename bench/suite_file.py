"""Reads a suite file: TOML, its shape checked by pydantic, every mistake one line with file, line, table and key."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from bench import errors

SCHEMA_VERSION = 1
"""Of the file's shape; not the journal's."""


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


Words = Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
Counts = Annotated[tuple[Annotated[int, Field(gt=0)], ...], BeforeValidator(_listed), Field(min_length=1)]


class CaseTable(BaseModel):
    """One [[case]] table: every combination of its values is a case."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    workload: Words
    device: Words = ("cpu",)
    strategy: Words | None = None
    precision: Words | None = None
    compile: Words | None = None
    input: Words | None = None
    loop: Words | None = None
    batch_size: Counts | None = None
    global_batch_size: Counts | None = None
    num_devices: Counts | None = None
    needs_accelerator: bool = False


class SuiteFile(BaseModel):
    """A whole file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    schema_version: int = Field(alias="schema", ge=SCHEMA_VERSION, le=SCHEMA_VERSION)
    summary: str = ""
    budget_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    case: list[CaseTable] = Field(min_length=1)


_TOP_KEYS = ("schema", "summary", "budget_seconds", "case")
_EXPECTED = {
    "schema": f"{SCHEMA_VERSION}, the only one that this version reads",
    "summary": "a string",
    "budget_seconds": "a positive number",
    "case": "[[case]] tables, in double brackets",
    "batch_size": "a positive integer or a list of them",
    "global_batch_size": "a positive integer or a list of them",
    "num_devices": "a positive integer or a list of them",
    "needs_accelerator": "true or false",
}
_EXPECTED_WORDS = "a string or a list of strings"
_MISSING = {
    "schema": f"begin the file with: schema = {SCHEMA_VERSION}",
    "case": "a suite needs at least one [[case]] table",
    "workload": 'every [[case]] needs one, such as: workload = "mlp"',
}


class SuiteText:
    """The text of a suite file, to say where in it something stands."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._lines = text.splitlines()

    def where(self, table: int | None, key: str) -> str:
        """
        Return the text that stands before a complaint, such as "my_suite.toml:12: [[case]] 2: precision: ".

        Args:
            table: Counts the [[case]] tables from 0; None for the top of the file.
            key: A key there; where it is absent, the line is that of the table's header.
        """
        line = self._line(table, key)
        place = self._name if line is None else f"{self._name}:{line}"
        return f"{place}: {key}: " if table is None else f"{place}: [[case]] {table + 1}: {key}: "

    def _line(self, table: int | None, key: str) -> int | None:
        # tomllib keeps no lines. Looking for them again is exact except inside strings of several lines.
        key_line = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=")
        top_header = re.compile(rf"\s*\[+\s*{re.escape(key)}\s*\]")
        header, current = None, None
        for number, line in enumerate(self._lines, 1):
            if re.match(r"\s*\[\[\s*case\s*\]\]", line):
                current = 0 if current is None else current + 1
                header = number if current == table else header
            if (current == table and key_line.match(line)) or (table is None and top_header.match(line)):
                return number
        return header


def read(path: Path) -> tuple[SuiteFile, SuiteText]:
    """
    Return what the suite file at *path* says, its shape checked, its values not yet.

    Raises:
        UsageError: If it cannot be read, is not TOML, or does not have the shape of a suite.
    """
    try:
        text = path.read_bytes().decode()
        content = tomllib.loads(text)
    except OSError as error:
        raise errors.UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise errors.UsageError(f"{path}: not TOML (not UTF-8 text)") from None
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, str(error)) from None
    places = SuiteText(str(path), text)
    try:
        return SuiteFile.model_validate(content), places
    except ValidationError as error:
        raise _wrong_shape(places, error.errors(include_url=False)) from None


def _not_toml(path: Path, message: str) -> errors.UsageError:
    where = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message)
    if where is None:
        return errors.UsageError(f"{path}: not TOML: {message}")
    return errors.UsageError(f"{path}:{where[2]}: not TOML: {where[1]} (column {where[3]})")


def _wrong_shape(places: SuiteText, mistakes: Sequence[ErrorDetails]) -> errors.UsageError:
    mistake = min(mistakes, key=_rank)
    location = mistake["loc"]  # (key,) or ("case", number of the table, key, ...)
    in_table = len(location) > 2  # noqa: PLR2004 -- as the line above says
    table = int(location[1]) if in_table else None
    key = str(location[2] if in_table else location[0])
    where = places.where(table, key)
    place = where.removesuffix(f"{key}: ")
    if mistake["type"] == "missing":
        return errors.UsageError(f"{place}{key} is missing; {_MISSING[key]}")
    if mistake["type"] == "extra_forbidden":
        return errors.unknown_value("key", key, _TOP_KEYS if table is None else CaseTable.model_fields, place)
    expected = _EXPECTED.get(key, _EXPECTED_WORDS)
    return errors.UsageError(f"{where}expected {expected}, not {_in_toml(mistake['input'])}")


def _rank(mistake: ErrorDetails) -> int:
    # A file of another schema may well have other keys, and a misspelt key leaves the right one missing.
    return 0 if mistake["loc"] == ("schema",) else 1 if mistake["type"] == "extra_forbidden" else 2


def _in_toml(value: Any) -> str:
    if value in ([], ()):
        return "an empty list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return f"'{value}'" if isinstance(value, str) else str(value)
