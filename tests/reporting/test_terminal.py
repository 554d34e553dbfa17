"""How wide a table may be."""

import sys

import pytest

from bench.reporting._terminal import stdout_console


def test_a_file_or_a_pipe_takes_every_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert stdout_console().width == 200


def test_columns_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert stdout_console().width == 77
