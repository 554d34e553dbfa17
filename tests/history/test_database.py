"""A database that is not there, is none, or is of another version: one line, which keeps the password to itself."""

from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.history import schema
from bench.history.database import Database


def test_a_file_that_is_not_there_is_not_made_by_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "typo.sqlite"
    with pytest.raises(UsageError, match=f"there is no history at '{path}'; put runs in with: history add DIR"):
        Database(f"sqlite:///{path}", must_exist=True)
    assert not path.exists()


def test_a_newer_history_is_refused_in_one_line(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Database(url).close()
    monkeypatch.setattr(schema, "VERSION", schema.VERSION - 1)
    with pytest.raises(UsageError, match=r"written with schema \d, this version reads up to \d; use a newer stepbench"):
        Database(url)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (
            "nonsense",
            "--db 'nonsense' is no address of a database; write sqlite:///FILE or postgresql+psycopg://HOST/NAME",
        ),
        ("nosuch://x/y", "--db 'nosuch://x/y' is neither SQLite nor PostgreSQL; write sqlite:///FILE or postgresql+"),
        ("mysql://me:secret@h/x", "--db 'mysql://me:***@h/x' is neither SQLite nor PostgreSQL"),
        ("postgresql:/me:secret@h/x", "--db 'postgresql:/me:***@h/x' is no address of a database"),
        ("postgresql+psycopg://me@h:port/x", "--db 'postgresql+psycopg://me@h:port/x' is no address of a database"),
        ("sqlite:///x.sqlite?foo=1", "--db 'sqlite:///x.sqlite?foo=1': a file of SQLite has no options; write"),
        ("sqlite:////proc/nowhere/h.sqlite", "--db 'sqlite:////proc/nowhere/h.sqlite': unable to open database file"),
        (
            "postgresql+psycopg://me:secret@127.0.0.1:1/x",
            "--db 'postgresql+psycopg://me:***@127.0.0.1:1/x'",
        ),
    ],
)
def test_what_is_no_database_is_one_line_without_the_password(url: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Database(url)
    assert str(caught.value).startswith(complaint)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database at all, but long enough to be looked at as one\n" * 100)
    with pytest.raises(UsageError, match="file is not a database"):
        Database(f"sqlite:///{path}")
