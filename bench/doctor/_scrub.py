"""Takes out of a text what is nobody's business: names of people and machines, home folders, tokens."""

import dataclasses
import getpass
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from bench.doctor._finding import Finding

_HOME = re.compile(r"/(home|Users)/[^/\s:'\",]+")
_TOKEN = re.compile(r"\b(hf_|ghp_|gho_|github_pat_|sk-|glpat-|xox[bp]-|AKIA)[A-Za-z0-9_-]{8,}")
_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")
_UUID = re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}-[0-9a-f-]{27}\b")
NAMES_OF_NOBODY = ("root", "localhost", "user", "runner", "ubuntu", "cuda", "torch", "nvidia")
"""Common names, which tell nothing, and words that findings are made of."""
MIN_LENGTH = 3
"""A shorter name is part of too many words."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scrub:
    """What is known to be private here."""

    home: str = ""
    names: tuple[str, ...] = ()
    """Of the person and the machine."""

    @classmethod
    def of_this_machine(cls) -> Self:
        """Return what is private for the person who runs this program."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container with a user number that has no name
            user = ""
        host = socket.gethostname()
        return cls(home=str(Path.home()), names=(user, host, host.partition(".")[0]))

    def text(self, text: str) -> str:
        """Return *text* without it."""
        if len(self.home) > MIN_LENGTH:
            text = text.replace(self.home, "~")
        text = _HOME.sub("~", text)
        text = _TOKEN.sub("<token>", text)
        text = _PASSWORD.sub("<password>@", text)
        text = _UUID.sub(r"\1-<uuid>", text)
        for name in sorted(set(self.names), key=len, reverse=True):
            if len(name) >= MIN_LENGTH and name.lower() not in NAMES_OF_NOBODY:
                text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "<name>", text)
        return text

    def findings(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return *findings* without it."""
        return [
            dataclasses.replace(
                finding,
                finding=self.text(finding.finding),
                evidence=self.text(finding.evidence),
                remedy=self.text(finding.remedy),
            )
            for finding in findings
        ]
