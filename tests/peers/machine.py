"""Where and with what a sitting of a long measurement takes place."""

import datetime
import os
from collections.abc import Mapping, Sequence

from bench.registry import PACKAGE_DIR
from bench.running.machine import commit_of, hard_keys, soft_keys, threads_per_rank, usable_cores, version_of

PACKAGES = ("torch", "pyperf", "pytest", "pytest-benchmark")


def sitting() -> dict[str, str]:
    """Return what a reader of the figures should know, as plain values."""
    hard, soft = hard_keys(os.environ), soft_keys()
    return {
        "started_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit_of(PACKAGE_DIR.parent),
        "cpu": " ".join(hard[f"cpu_{name}"] for name in ("name", "family", "model", "stepping")),
        "cores": str(usable_cores()),
        "threads": str(threads_per_rank(1, os.environ)),
        "kernel": soft["kernel"],
        **{name: version for name in PACKAGES if (version := version_of(name))},
    }


def described(sittings: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a Markdown list of them; where sittings differ, such as in the commit, all values are named."""
    known: dict[str, list[str]] = {}
    for one in sittings:
        for key, value in one.items():
            if key != "kind" and value not in known.setdefault(key, []):
                known[key].append(value)
    return [f"- {key.replace('_', ' ')}: {', '.join(values)}" for key, values in known.items()]
