"""The command line: finds the subcommand's file, parses, and turns every error of ours into one line."""

import argparse
import os
import sys
from collections.abc import Sequence

from bench import __version__, registry
from bench.commands._options import Parser
from bench.errors import BenchError, UsageError, nearest, unknown_value

DEFAULT_COMMAND = "run"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; 2 for a mistake on the command line, told in one line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show must not cost the report
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        _refuse_other_encodings(arguments)
        command, rest = _command_of(arguments)
        module = registry.load("commands", command)
        options = _parse(command, rest)
        status: int = module.execute(options)
        sys.stdout.flush()
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough; its own exit status tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _refuse_other_encodings(arguments: list[str]) -> None:
    """Refuse what could not be written into a journal: bytes of a command line that are not text."""
    for argument in arguments:
        shown = argument.encode("utf-8", errors="replace").decode()
        if shown != argument:
            raise UsageError(f"'{shown}' is not UTF-8; write it in the encoding of your terminal")


def _command_of(arguments: list[str]) -> tuple[str, list[str]]:
    if not arguments or arguments[0].startswith("-"):
        return DEFAULT_COMMAND, arguments
    if arguments[0] not in registry.names("commands"):
        raise unknown_value("command", arguments[0], registry.names("commands"))
    return arguments[0], arguments[1:]


def parser_of(command: str, program: str) -> argparse.ArgumentParser:
    """Return the parser of one subcommand, which says *program* where it names this program; docs/cli.md shows it."""
    parser = Parser(
        prog=f"{program} {command}" if command != DEFAULT_COMMAND else program,
        description=registry.summary("commands", command),
        epilog=_other_commands() if command == DEFAULT_COMMAND else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if command == DEFAULT_COMMAND:
        parser.add_argument("--version", action="version", version=f"stepbench {__version__}")
    registry.load("commands", command).add_arguments(parser)
    return parser


def _parse(command: str, arguments: list[str]) -> argparse.Namespace:
    parser = parser_of(command, _program())
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise _unknown_argument(unknown[0], parser)
    return options


def _program() -> str:
    return os.path.basename(sys.argv[0]) or "stepbench"  # noqa: PTH119 (pathlib is not otherwise needed for --help)


def _other_commands() -> str:
    lines = [f"  {name:10} {registry.summary('commands', name)}" for name in registry.names("commands")]
    return "\n".join(["commands (the first word; run if there is none):", *lines])


def _unknown_argument(argument: str, parser: argparse.ArgumentParser) -> UsageError:
    name = argument.partition("=")[0]
    known = [option for action in parser._actions for option in action.option_strings]  # noqa: SLF001 (no public list)
    near = nearest(name, known)
    if not argument.startswith("-"):
        return UsageError(f"'{argument}' is one word too many; see --help")
    return UsageError(f"'{argument}' is not an option; " + (f"did you mean {near}?" if near else "see --help"))
