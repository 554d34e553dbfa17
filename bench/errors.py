"""What can go wrong before or around a measurement, each as one line for the person at the terminal."""

from collections.abc import Iterable


class BenchError(Exception):
    """An error whose text is one line that names what was given and the cure."""

    exit_status = 2


class UsageError(BenchError):
    """The command line, a suite file, or a workload's name is wrong: exit status 2."""


class NothingToMeasureError(BenchError):
    """No worker can be started, or nothing is left to run: exit status 3."""

    exit_status = 3


class JournalError(BenchError):
    """A journal cannot be read, or does not fit the plan that should continue it: exit status 2."""


def nearest(value: str, known: Iterable[str]) -> str | None:
    """Return the one of *known* that somebody who wrote *value* most likely meant, if any is near."""
    import difflib  # noqa: PLC0415 (with re behind it, it costs --help milliseconds that only a mistake should pay)

    folded = {name.lower(): name for name in sorted(known)}
    # Letters in the wrong order are the likeliest slip, and difflib does not favour them: pf32 is as near to tf32.
    near = [name for name in folded if sorted(name) == sorted(value.lower())]
    near = near or difflib.get_close_matches(value.lower(), folded, n=1, cutoff=0.5)
    return folded[near[0]] if near else None


def unknown_value(
    what: str, value: str, known: Iterable[str], where: str = "", *, meant: str | None = None
) -> UsageError:
    """
    Return the error for a *value* that is none of the *known* ones, with the nearest of them as the cure.

    Args:
        what: The kind of value, such as "precision"; may be empty where *where* names it.
        value: What was given.
        known: What could have been given.
        where: Text to put in front, such as "my_suite.toml:12: ".
        meant: The cure, where it is known better than spelling can tell.
    """
    known = sorted(known)
    near = meant or nearest(value, known)
    cure = f"did you mean '{near}'?" if near else f"known: {', '.join(known)}"
    return UsageError(f"{_subject(what, where)}'{value}' is not known; {cure}")


def not_there_yet(what: str, value: str, known: Iterable[str], where: str = "") -> UsageError:
    """Return the error for a *value* that the design has and this version has not; arguments as in `unknown_value`."""
    return UsageError(
        f"{_subject(what, where)}'{value}' is not there yet; this version knows: {', '.join(sorted(known))}"
    )


def _subject(what: str, where: str) -> str:
    return f"{where}{what} " if what else where
