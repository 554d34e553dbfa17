"""The documentation: its commands parse, its examples run, its links lead somewhere, and the site builds."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from bench import cli, errors, registry, suite
from bench.commands import _ab, _axes, _compare, _compared_cases, _doctor, _selftest, _sides, doctor, selftest
from bench.commands._request import request_from
from bench.measuring.loading import load_workload
from bench.registry import PACKAGE_DIR
from bench.result import STATUSES
from bench.results.frame import COLUMNS
from docs._ext import cli_reference, evidence, redraw, tables

ROOT = PACKAGE_DIR.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]
FENCES = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN = ROOT / "reports" / "evidence" / "2026-11-25-2-cores"
"""The run whose table the tutorial shows."""
DEADLINE_SECONDS = 120.0


def _fences(page: str, language: str) -> list[str]:
    return [text for found, text in FENCES.findall((DOCS / page).read_text(encoding="utf-8")) if found == language]


def _commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of every call of this program: in indented blocks, in `sh` fences and in inline code."""
    lines = [line for language, block in FENCES.findall(text) if language == "sh" for line in block.splitlines()]
    prose = FENCES.sub("", text)
    lines += [line.strip() for line in prose.replace("\\\n", " ").splitlines() if line.startswith("    ")]
    lines += re.findall(r"(?<!`)`([^`]+)`(?!`)", " ".join(line for line in prose.split("\n") if line[:4] != "    "))
    for line in lines:
        if "run_bench.py" in line or "stepbench" in line:
            yield from _calls(line)


def _calls(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.commenters, lexer.whitespace_split = "#", True
    call: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();|&"):  # the end of one command
            if call[:2] == ["python", "run_bench.py"] or call[:1] == ["stepbench"]:
                yield call[1 + (call[0] == "python") :]
            call = []
        else:
            call.append(word)


EXAMPLES_OF_COMMANDS = re.findall(
    r"^# bench/commands/(\w+)\.py$", "\n".join(_fences("extending.md", "python")), re.MULTILINE
)
COMMANDS = sorted(
    {
        tuple(call)
        for path in TEXTS
        for call in _commands(path.read_text(encoding="utf-8"))
        if not {*call} & {*EXAMPLES_OF_COMMANDS}
    }
)


def _check(arguments: list[str]) -> None:
    """Refuse what the program would refuse, and start nothing."""
    command, rest = cli._command_of(arguments)
    options = cli._parse(command, rest)
    if command in CHECKS:
        CHECKS[command](options)


def _check_ab(options: Namespace) -> None:
    _sides.check(options)
    _compared_cases.check(options)
    _compare.check_format(options.format)
    _compare.what_fails(options.fail_on, _ab.FAILS)
    _axes.values_from(options)
    suite.load(options.suite or "quick")


def _check_compare(options: Namespace) -> None:
    _compare.check_format(options.format)
    _compare.what_fails(options.fail_on, ())


def _check_doctor(options: Namespace) -> None:
    if options.explain is None:
        doctor.execute(options)
    else:
        assert options.format is None


CHECKS: dict[str, Callable[[Namespace], object]] = {
    "run": request_from,
    "ab": _check_ab,
    "compare": _check_compare,
    "doctor": _check_doctor,
    "selftest": selftest.execute,
}
"""Command to what refuses wrong values; of the others the parser sees everything."""


@pytest.fixture(name="examples")
def _examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with the files of the page on own models, in which nothing can be measured."""
    for text in (*_fences("own_models.md", "python"), *_fences("own_models.md", "toml")):
        path = tmp_path / text.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copy(tmp_path / "my_model.py", tmp_path / "benchmarks")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # loading a file adds to it
    for module in (_doctor, _selftest):
        monkeypatch.setattr(module, "run", lambda *_arguments, **_options: 0)
    yield tmp_path
    for path in tmp_path.rglob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.usefixtures("examples")
def test_a_command_that_is_written_down_is_one_that_the_program_takes(arguments: tuple[str, ...]) -> None:
    if {"--help", "--version"} & {*arguments}:
        with pytest.raises(SystemExit, match="0"):
            _check(list(arguments))
    else:
        _check(list(arguments))


def test_commands_are_found_wherever_they_stand() -> None:
    inline, indented = "`stepbench a\nb` and\n\n", "    X=1 && python run_bench.py c \\\n      d  # e\n\n"
    text = f"{inline}{indented}```sh\nstepbench f || stepbench g\n```\n"
    assert list(_commands(text)) == [["f"], ["g"], ["c", "d"], ["a", "b"]]
    assert {"run", "ab", "compare", "doctor", "env", "list", "selftest"} <= {cli._command_of([*c])[0] for c in COMMANDS}


@pytest.mark.parametrize(
    "wrong", ["--preciison fp32", "--precision fp23", "--workload none.py:f", "--suite no", "ab --format cvs", "lits"]
)
@pytest.mark.usefixtures("examples")
def test_a_command_with_a_mistake_would_be_found(wrong: str) -> None:
    with pytest.raises(errors.UsageError):
        _check(wrong.split())


def test_every_workload_of_the_page_on_own_models_trains_a_step(examples: Path) -> None:
    text = (DOCS / "own_models.md").read_text(encoding="utf-8")
    specs = {spec for spec in re.findall(r"[\w/]+\.py:\w+", text) if not spec.endswith("file.py:function")}
    assert {spec.partition(":")[0] for spec in specs} >= {path.name for path in examples.glob("*.py")}
    for spec in sorted(specs):
        workload = load_workload(spec)
        assert suite.default_batch_size(spec) % 4 == 0
        loss = workload.compute_loss(workload.model, workload.make_batch(4))
        loss.backward()
        gradients = [parameter.grad for parameter in workload.model.parameters()]
        assert all(gradient is not None for gradient in gradients), spec
        if workload.optimizer:
            workload.optimizer(workload.model.parameters()).step()


@pytest.mark.usefixtures("examples")
def test_the_suite_of_the_page_on_own_models_is_one() -> None:
    assert len(suite.load("my_suite.toml").tables) == 2


def test_the_examples_of_the_tutorial_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    for text in _fences("tutorial.md", "python"):
        exec(compile(text, "tutorial.md", "exec"), {})
    assert "transformer:small" in capsys.readouterr().out


def test_the_table_of_the_tutorial_is_of_the_run_that_it_names() -> None:
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    assert f"]({Path('..') / RUN.relative_to(ROOT)}/results.csv)" in text
    row = re.compile(r"^    (\w+:\w+) +(\w+) +(\w+)(?:.\d)? +(\w+) +(\d+) +([\d.]+) (ms|s) ", re.MULTILINE)
    shown = {
        (workload, device, strategy, precision, int(batch)): float(step) * {"ms": 1e-3, "s": 1.0}[unit]
        for workload, device, strategy, precision, batch, step, unit in row.findall(text)
    }
    cases = pd.read_csv(RUN / "results.csv")
    measured = cases[cases["status"] == "ok"].set_index(
        ["workload", "device", "strategy", "precision", "global_batch_size"]
    )
    assert shown == pytest.approx(measured["step_seconds"].to_dict(), rel=0.05)  # two digits are shown
    assert f"the {len(cases) - len(measured)} GPU rows are skipped" in text


EXTENDED = """
import sys
import torch
from bench import cli, registry
from bench.doctor._checks import judge
from bench.doctor._seen import Facts
assert cli.main(["list"]) == cli.main(["hello", "--name", "you"]) == 0
model = registry.load("strategies", "checkpointed").STRATEGY.wrap(torch.nn.Linear(2, 1), [torch.device("cpu")], None)
model(torch.ones(3, 2)).sum().backward()
assert model.weight.grad is not None
workload = registry.load("workloads", "scale").tiny()
workload.compute_loss(workload.model, workload.make_batch(2)).backward()
assert "oldest_torch" in [finding.name for finding in judge(Facts(versions={"torch": "2.6.1"}))]
assert callable(registry.load("reporting", "markdown").write)
"""


def test_the_examples_of_the_page_on_extending_are_found_and_run(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE_DIR, tmp_path / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    for text in _fences("extending.md", "python"):
        first, _, rest = text.partition("\n")
        if first.startswith("# a row of "):
            path = tmp_path / first.removeprefix("# a row of ")
            table = path.stem.upper()
            row = f"\n(_added,) = ({rest.strip()})\n{table}[_added.name] = _added\n"
            path.write_text(path.read_text(encoding="utf-8") + row, encoding="utf-8")
        else:
            path = tmp_path / first.removeprefix("# ")
            assert not path.exists()
            path.write_text(rest, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", EXTENDED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    for words in ("hello you", "scale:tiny", "checkpointed", "fp32_again", "A list in Markdown"):
        assert words in ended.stdout


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = FENCES.sub("", path.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_slug, headings), link


def test_every_page_is_in_the_table_of_contents() -> None:
    (contents,) = re.findall(r"```{toctree}\n(.*?)```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL)
    assert sorted(re.findall(r"^\w+$", contents, re.MULTILINE)) == sorted({path.stem for path in PAGES} - {"index"})


def test_the_page_on_reading_has_every_status() -> None:
    text = (DOCS / "reading.md").read_text(encoding="utf-8")
    assert tuple(name for name in re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) if name in STATUSES) == STATUSES


def test_every_column_and_every_key_of_a_suite_is_described() -> None:
    assert "| `step_seconds` | wall time of the timed window" in tables.columns()
    assert "| `[[case]]` | `global_batch_size` |" in tables.suite_keys()


def test_the_tables_in_the_pages_are_those_of_the_code() -> None:
    texts = [path.read_text(encoding="utf-8") for path in PAGES]
    assert sorted(name for text in texts for name in redraw.names_in(text)) == sorted(redraw.TABLES)
    outdated = [path.name for path, text in zip(PAGES, texts, strict=True) if redraw.redrawn(text) != text]
    assert outdated == [], "python -m docs._ext.redraw"


def test_a_column_without_a_description_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "COLUMNS", (*COLUMNS, "new_seconds"))
    with pytest.raises(ValueError, match="new_seconds: not in both"):
        tables.columns()


def test_every_field_of_a_workload_says_what_it_is() -> None:
    rows = tables.workload_fields().splitlines()[2:]
    assert [row.split("`")[1] for row in rows][:3] == ["model", "make_batch", "compute_loss"]
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("command", registry.names("commands"))
def test_the_reference_has_every_option_of_a_command(command: str) -> None:
    text = "\n".join(cli_reference._command(command))
    for action in cli.parser_of(command, "stepbench")._actions:
        if action.dest != "help":
            assert all(re.search(rf"^```{{option}} .*{name}\b", text, re.MULTILINE) for name in action.option_strings)


def test_signs_of_markdown_stay_what_they_are() -> None:
    assert cli_reference.escaped("reports/<time>, `of peak`, a|b, amp_bf16") == (
        r"reports/\<time\>, `of peak`, a\|b, amp\_bf16"
    )


def test_what_is_drawn_is_drawn_without_torch() -> None:
    program = "import sys; from docs._ext import cli_reference as c, tables as t\n"
    program += "c.render(), t.columns(), t.flags(), t.axes(), t.suites(), t.suite_keys(), t.workload_fields()\n"
    program += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=DEADLINE_SECONDS)


def test_every_readme_of_a_run_has_its_place_on_the_page_of_evidence() -> None:
    text = evidence.render()
    for path in evidence.files():
        assert f"({evidence.label(path.relative_to(ROOT).as_posix())})=" in text


def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    for module in ("sphinx", "myst_parser", "furo"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed (extra docs)")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", "-d", str(tmp_path / "trees")]
    ended = subprocess.run(
        [*command, str(DOCS), str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for path in (tmp_path / "site").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=\"(?:https?:)?//[^>]*>", text) == []
        assert str(ROOT) not in text
    reference = (tmp_path / "site" / "cli.html").read_text(encoding="utf-8")
    for command_name in registry.names("commands"):
        for action in cli.parser_of(command_name, "stepbench")._actions:
            for name in action.option_strings:
                if name.startswith("--") and name != "--help":
                    assert f'id="cmdoption-stepbench-{command_name}-{name[2:]}"' in reference


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_no_page_still_holds_the_word_that_stood_for_a_figure(path: Path) -> None:
    words = {
        word for word in re.findall(r"[A-Z_]{4,}", path.read_text()) if word in {"PROMISE", "TODO", "FIXME", "TBD"}
    }
    assert words == set()
