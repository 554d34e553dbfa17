"""The reference of the command line, drawn from the parsers that the program uses; imports no torch."""

import argparse
import re
from collections.abc import Iterator

from bench import cli, registry

PROGRAM = "stepbench"
_CODE = re.compile(r"(`[^`]+`)")
_SPECIAL = re.compile(r"([\\*_{}\[\]<>#|~$&!`])")


def commands() -> tuple[str, ...]:
    """Return the subcommands, the usual one first."""
    others = (name for name in registry.names("commands") if name != cli.DEFAULT_COMMAND)
    return (cli.DEFAULT_COMMAND, *others)


def render() -> str:
    """Return the reference of every subcommand as MyST Markdown."""
    return "\n".join(line for command in commands() for line in _command(command))


def _command(command: str) -> Iterator[str]:
    parser = cli.parser_of(command, PROGRAM)
    yield from (f"## {command}", "", escaped(parser.description or ""), "")
    yield from (f"    {_usage(command, parser)}", "")
    yield from ("```{program} " + f"{PROGRAM} {command}", "```", "")
    for group in parser._action_groups:  # noqa: SLF001 (argparse has no public list of them)
        actions = [action for action in group._group_actions if not isinstance(action, argparse._HelpAction)]  # noqa: SLF001 (as above)
        if actions:
            yield from _heading(group.title or "options", group.description)
            yield from (line for action in actions for line in _option(action, parser.prog))


def _usage(command: str, parser: argparse.ArgumentParser) -> str:
    """Return the call in one line; `run` may be left out, and its parser leaves it out."""
    words = [parser.prog if command != cli.DEFAULT_COMMAND else f"{parser.prog} [{command}]"]
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]  # noqa: SLF001 (as above)
    if any(action.option_strings for action in actions):
        words.append("[OPTION ...]")
    by_place = [action for action in actions if not action.option_strings]
    words += [f"[{_values(action)}]" if action.nargs in ("*", "?") else _values(action) for action in by_place]
    return " ".join(words)


def _heading(title: str, description: str | None) -> Iterator[str]:
    """Yield a group's heading; what its title says in brackets becomes a sentence below it."""
    name, _, remark = title.partition(" (")
    remark = remark.removesuffix(")")
    yield from (f"### {name.capitalize()}", "")
    for text in (remark[:1].upper() + remark[1:], description or ""):
        if text:
            yield from (escaped(text.removesuffix(".") + "."), "")


def _option(action: argparse.Action, program: str) -> Iterator[str]:
    values = _values(action)
    names = ", ".join(f"{name} {values}".rstrip() for name in action.option_strings) or values
    told = (action.help or "") % {**vars(action), "prog": program}
    yield from ("```{option} " + names, escaped(told), "```", "")


def _values(action: argparse.Action) -> str:
    """Return what stands for the values of an option, or of an argument by its place."""
    if action.nargs == 0:
        return ""
    metavar = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    name = metavar if isinstance(metavar, str) else " ".join(metavar)
    return f"{name} ..." if action.nargs in ("*", "+") else name


def escaped(text: str) -> str:
    """Return *text* so that Markdown shows its signs instead of obeying them, except for code in backticks."""
    parts = _CODE.split(text)
    return "".join(part if _CODE.fullmatch(part) else _SPECIAL.sub(r"\\\1", part) for part in parts)
