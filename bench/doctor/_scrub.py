"""Takes out of a text what is nobody's business: names of people and machines, home folders, tokens."""

import dataclasses
import getpass
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts

_HOME = re.compile(r"(/(home|Users)/|[A-Z]:\\Users\\)[^/\\\s:;'\",)\]>]+", re.IGNORECASE)
_TOKEN = re.compile(
    r"\b(hf_|gh[oprsu]_|github_pat_|sk-|glpat-|xox[bp]-|AKIA)[A-Za-z0-9_-]{8,}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JSON Web Token
)
_SECRET = re.compile(r"(\w*(?:token|passwd|password|secret|api_?key)=)[^\s&'\",;]+", re.IGNORECASE)
_PASSWORD = re.compile(r"(?<=://)[^/\s'\"]+@")
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(\.\d{1,3}){3}(?![\w.]*\d)")
_UUID = re.compile(r"\b(GPU|MIG)-[0-9a-f]{8}-[0-9a-f-]{27}\b")
NAMES_OF_NOBODY = frozenset(
    {
        *("admin", "administrator", "azureuser", "centos", "debian", "ec2-user", "fedora", "host", "jovyan"),
        *("localhost", "node", "root", "runner", "server", "ubuntu", "user", "users", "vscode"),
        *("amd", "apple", "card", "cards", "container", "cores", "cpu", "cuda", "data", "device", "devices"),
        *("dgx", "docker", "driver", "error", "geforce", "gpu", "gpus", "home", "index", "install", "intel"),
        *("kernel", "kubernetes", "linux", "memory", "microsoft", "module", "nccl", "none", "nvidia"),
        *("nvidia-smi", "packages", "pip", "podman", "proof", "python", "python3", "pytorch", "quadro"),
        *("rocm", "run_bench", "smi", "stepbench", "sudo", "system", "tesla", "test", "torch", "torchaudio"),
        *("torchvision", "train", "training", "triton", "venv", "version", "windows", "workers", "wsl"),
    }
)
"""Common names, which tell nothing, and words that findings and remedies are made of."""
MODEL = re.compile(r"\d+|(sm|cu|gtx|rtx|[abhltvp])[-_]?\d+")
"""What may be called as a card is, or as a version."""
MIN_LENGTH = 3
"""A shorter name is part of too many words."""
FIXED = frozenset({"name", "severity", "status", "device", "id", "precision", "strategy"})
"""Fields of a record that hold words of ours, whatever somebody is called."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scrub:
    """What is known to be private here."""

    home: str = ""
    names: tuple[str, ...] = ()
    """Of the person."""
    hosts: tuple[str, ...] = ()
    """Names of the machine; they may also stand behind a dash, as in a kernel's release."""
    versions: tuple[str, ...] = ()
    """Known ones, which stay where they look like addresses: 9.10.2.21."""

    @classmethod
    def of_this_machine(cls, versions: Iterable[str] = ()) -> Self:
        """Return what is private for the person who runs this program; *versions* are not."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a container with a user number that has no name
            user = ""
        host = socket.gethostname()
        hosts = (host, host.partition(".")[0])
        return cls(home=str(Path.home()), names=(user,), hosts=hosts, versions=tuple(versions))

    def text(self, text: str) -> str:
        """Return *text* without it."""
        if self.home.count("/") > 1:  # /root and /home tell nothing
            text = re.sub(rf"(?<![\w.-]){re.escape(self.home)}(?![\w-]|\.\w)", "~", text)
        text = _HOME.sub("~", text)
        text = _PASSWORD.sub("<password>@", text)
        text = _TOKEN.sub("<token>", text)
        text = _SECRET.sub(r"\1<token>", text)
        text = _UUID.sub(r"\1-<uuid>", text)
        for host in _telling(self.hosts):
            text = re.sub(rf"(?<!\w){re.escape(host)}(?!\w)(\.[a-z][\w-]*)*", "<name>", text, flags=re.IGNORECASE)
        for name in _telling(self.names):
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "<name>", text, flags=re.IGNORECASE)
        return _ADDRESS.sub(self._address, text)

    def _address(self, found: re.Match[str]) -> str:
        is_local = found.group().startswith(("127.", "0.0.0.0"))  # noqa: S104 (named, not listened to)
        is_version = any(found.group() in version for version in self.versions)
        is_address = all(int(part) < 256 for part in found.group().split("."))  # noqa: PLR2004 (a byte)
        return "<address>" if is_address and not (is_local or is_version) else found.group()

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

    def facts(self, facts: Facts) -> Facts:
        """Return *facts* without it, as far as reports repeat them."""
        torch = facts.torch
        if torch is not None:
            named = (dataclasses.replace(device, name=self.text(device.name)) for device in torch.devices)
            torch = dataclasses.replace(torch, devices=tuple(named))
        variables, versions = self.plain(dict(facts.variables)), self.plain(dict(facts.versions))
        return dataclasses.replace(facts, torch=torch, variables=variables, versions=versions)

    def plain(self, value: Any) -> Any:
        """Return a plain *value* in which every text is without it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: item if key in FIXED else self.plain(item) for key, item in value.items()}
        return [self.plain(item) for item in value] if isinstance(value, list) else value


def _telling(names: Iterable[str]) -> list[str]:
    """Return those of *names* that tell who or where, the longest first: a short one may be part of it."""
    kept = {name for name in names if len(name) >= MIN_LENGTH and name.lower() not in NAMES_OF_NOBODY}
    return sorted((name for name in kept if not MODEL.fullmatch(name.lower())), key=len, reverse=True)
