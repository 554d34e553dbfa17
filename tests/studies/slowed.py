"""
Makes a git repository whose revisions differ by known extra work: what a gate must find, and what it must leave alone.

    python tests/studies/slowed.py --repository DIR
    python tests/studies/slowed.py --out DIR [--pairs 12] [--revisions slower5,slower10]

The first makes it; DIR must not exist. Each tag is one commit on top of `base`, and the content is always the same, so
the hashes are too. The second measures what the revisions cost and writes DIR/README.md; 5 minutes.

Measured on a shared 2-core machine with torch 2.13, mlp and conv: slower3 +3.4 % (+2.5 to +4.3) and +1.8 % (+1.0 to
+2.7; one block of 40); slower5 +5.5 % (+5.0 to +6.1) and +4.9 % (+4.6 to +5.2); slower10 +10.3 % (+9.1 to +11.6) and
+9.7 % (+8.9 to +10.5); activation +1.1 % and +1.6 %; same and item within what equal models differ by.
"""

import argparse
import os
import random
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.case import Case
from bench.statistics import Interval, paired_ratio
from tests.peers import machine

WORKLOAD_FILE = "workload.py"
BASE = "base"
BATCH_SIZES = {"mlp": 64, "conv": 16}
HELD_BYTES = 2**20

_SOURCE = Path(__file__).with_name("slowed_workload.py")
_RETURN = "    return loss  # noqa: RET504 (revisions do something between)\n"
_SHIFTS = "return inputs + self.shift"
_BLOCKS = "MLP_BLOCKS, CONV_BLOCKS = 60, 40"
# Let go when backward is as good as done: wherever memory has its peak, 1 MiB counts whole.
_HOLDS = f'''

class _Holds(torch.autograd.Function):
    """Hands its input on, and holds 1 MiB until backward has come back here."""

    @staticmethod
    def forward(ctx, inputs):
        ctx.save_for_backward(inputs.new_zeros({HELD_BYTES // 4}))
        return inputs.view_as(inputs)

    @staticmethod
    def backward(ctx, gradient):
        return gradient
'''
CHANGES: Mapping[str, Sequence[tuple[str, str]]] = {
    "same": [("# AdamW drives the loss", "# AdamW would drive the loss")],
    "slower3": [(_BLOCKS, "MLP_BLOCKS, CONV_BLOCKS = 62, 41")],
    "slower5": [(_BLOCKS, "MLP_BLOCKS, CONV_BLOCKS = 63, 42")],
    "slower10": [(_BLOCKS, "MLP_BLOCKS, CONV_BLOCKS = 66, 44")],
    "item": [(_RETURN, "    loss.item()\n    return loss\n")],
    "activation": [
        ("\n\nclass _Shifted(", f"{_HOLDS}\n\nclass _Shifted("),
        (_SHIFTS, "return _Holds.apply(inputs + self.shift)"),
    ],
}
"""What each tag replaces in the file; a change that no longer fits the file is an error."""


def source_of(tag: str) -> str:
    """Return the workload file as *tag* has it."""
    text = _SOURCE.read_text(encoding="utf-8")
    for before, after in CHANGES[tag] if tag != BASE else ():
        if text.count(before) != 1:
            raise ValueError(f"{tag}: {_SOURCE.name} holds {before!r} {text.count(before)} times, not once")
        text = text.replace(before, after)
    return text


def make_repository(folder: Path) -> None:
    """Make the repository in *folder*, which must not exist; `base` is checked out at the end."""
    folder.mkdir(parents=True)
    _git(folder, "init", "--quiet", "--initial-branch", "main")
    for tag in (BASE, *CHANGES):
        if tag != BASE:
            _git(folder, "checkout", "--quiet", "--detach", BASE)
        (folder / WORKLOAD_FILE).write_text(source_of(tag), encoding="utf-8")
        _git(folder, "add", WORKLOAD_FILE)
        _git(folder, "commit", "--quiet", "--message", tag)
        _git(folder, "tag", tag)
    _git(folder, "checkout", "--quiet", "main")


def _git(folder: Path, *arguments: str) -> None:
    who = {"NAME": "study", "EMAIL": "study@example.org", "DATE": "2026-01-01T00:00:00+00:00"}
    fixed = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    # Nobody's settings: hooks and signatures would change the hashes, or ask for a password.
    environment = {**inherited, **fixed, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True)


def main() -> None:
    """Make the repository, or measure what its revisions cost."""
    parser = argparse.ArgumentParser()
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--repository", type=Path)
    what.add_argument("--out", type=Path)
    parser.add_argument("--pairs", type=int, default=12, help="of models, built anew, whose place in memory counts")
    parser.add_argument("--revisions", default=",".join((BASE, *CHANGES)))
    options = parser.parse_args()
    if options.repository:
        make_repository(options.repository)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    text = "\n".join([*_head(options.pairs), *_rows(options.revisions.split(","), options.pairs), ""])
    print(text)
    (options.out / "README.md").write_text(text, encoding="utf-8")


def _head(pairs: int) -> list[str]:
    return [
        "# What the revisions cost",
        "",
        f"Made by `python tests/studies/slowed.py`: step over that of `{BASE}`, both in turn in one process with one",
        f"thread; 95 % interval over {pairs} pairs of models.",
        "",
        *machine.described([machine.sitting()]),
        "",
        f"| revision | {' | '.join(BATCH_SIZES)} |",
        "| --- |" + " ---: |" * len(BATCH_SIZES),
    ]


def _rows(revisions: Sequence[str], pairs: int) -> list[str]:
    """Return a row a revision; `base` itself shows what two equal models differ by."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {tag: Path(folder) / tag / WORKLOAD_FILE for tag in {BASE, *revisions}}
        for tag, path in paths.items():
            path.parent.mkdir()
            path.write_text(source_of(tag), encoding="utf-8")
        for tag in revisions:
            ratios = [_ratio(paths[BASE], paths[tag], function, pairs) for function in BATCH_SIZES]
            rows.append(f"| {tag} | {' | '.join(map(_told, ratios))} |")
    return rows


def _ratio(base: Path, candidate: Path, function: str, pairs: int) -> Interval:
    from bench.selftest._turns import harness, prepared, take_turns  # noqa: PLC0415 (imports torch)

    paths = {"baseline_seconds": base, "candidate_seconds": candidate}
    steps: dict[str, list[float]] = {side: [] for side in paths}
    for _ in range(pairs):
        order = random.sample(list(paths), 2)  # who is created first has other memory
        workers = {side: prepared(_case(paths[side], function)) for side in order}
        pair = take_turns(harness(workers["candidate_seconds"]), harness(workers["baseline_seconds"]), pairs=1)
        for side, seconds in pair.items():
            steps[side] += seconds
    return paired_ratio(steps["candidate_seconds"], steps["baseline_seconds"])


def _case(path: Path, function: str) -> Case:
    return Case(
        workload=f"{path}:{function}",
        device="cpu",
        strategy="single",
        precision="fp32",
        batch_size=BATCH_SIZES[function],
    )


def _told(ratio: Interval) -> str:
    assert ratio.low is not None, "there are several pairs"
    assert ratio.high is not None
    return f"{ratio.value - 1:+.1%} ({ratio.low - 1:+.1%} to {ratio.high - 1:+.1%})"


if __name__ == "__main__":
    main()
