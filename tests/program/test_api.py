"""The Python interface, as scripts and notebooks use it."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bench.registry import PACKAGE_DIR
from tests.program.sandbox import Sandbox

DEADLINE_SECONDS = 120.0
README = PACKAGE_DIR.parent / "README.md"
AXES = 'device="cpu", strategy="single", precision="fp32", rounds=2'


def _script(sandbox: Sandbox, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script beside the models."""
    path = sandbox.directory / "script.py"
    path.write_text(textwrap.dedent(text))
    return subprocess.run(
        [sys.executable, str(path)],
        cwd=sandbox.directory,
        env={**os.environ, "PYTHONPATH": str(PACKAGE_DIR.parent)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_a_script_without_a_guard_measures_and_prints_only_what_it_prints(sandbox: Sandbox) -> None:
    ended = _script(
        sandbox,
        f"""
        import bench
        first = bench.run("models.py:good", {AXES}, label="first", out="first")
        second = bench.run("models.py:good", {AXES}, out="second")
        print(list(first.frame["status"]), len(first.samples) > 4, first.directory.name)
        print(list(second.compare(first)["case"]))
        print(bench.load("first").frame.equals(first.frame), "<table" in first._repr_html_())
        print(len(first.findings) > 0)
        """,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0] == "['ok'] True first"
    assert lines[1].startswith("['models.py_good-cpu-single-fp32")
    assert lines[2:] == ["True True", "True"]
    assert ended.stderr == ""


def test_a_run_may_be_made_in_another_thread(sandbox: Sandbox) -> None:
    ended = _script(
        sandbox,
        f"""
        import concurrent.futures
        import bench
        with concurrent.futures.ThreadPoolExecutor() as pool:
            results = pool.submit(bench.run, "models.py:good", {AXES}, label="-5 %", out="run").result()
        print(list(results.frame["status"]))
        """,
    )
    assert (ended.returncode, ended.stdout) == (0, "['ok']\n"), ended.stderr


GUARDED = """
    import torch
    import bench

    def make_batch(size):
        return torch.randn(size, 4)

    def compute_loss(model, batch):
        return model(batch).square().mean()

    def small():
        return torch.nn.Linear(4, 2), make_batch, compute_loss

    {guard}
        print(list(bench.run(small, {axes}, out="{out}").frame["status"]))
"""


def test_a_function_of_the_script_itself_needs_the_guard_and_says_so(sandbox: Sandbox) -> None:
    guarded = _script(sandbox, GUARDED.format(guard='if __name__ == "__main__":', axes=AXES, out="run"))
    assert (guarded.returncode, guarded.stdout) == (0, "['ok']\n"), guarded.stderr
    ended = _script(sandbox, GUARDED.format(guard="if True:", axes=AXES, out="other"))
    assert ended.stdout == "['error']\n"
    journal = (sandbox.directory / "other" / "results.jsonl").read_text()
    assert "put the call below `if __name__ == '__main__':`" in journal


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ('bench.run("models.py:goood")', "UsageError: --workload: 'models.py:goood': function 'goood' is not known"),
        ('bench.run("mlp", precision="bf16")', "UsageError: --precision: 'bf16' is not known"),
        ('bench.run("mlp", precision=[])', "UsageError: precision has no values; leave it out for those of the suite"),
        ('bench.run("mlp", rounds=0)', "UsageError: --rounds: '0' is not a whole number above 0"),
        ("bench.run(lambda: None)", "UsageError: workload '<lambda>' is inside of something"),
        ("bench.run(3)", "UsageError: workload 'int' is no function"),
        ('bench.load("nowhere")', "JournalError: nowhere: cannot be read"),
        ("bench.nothing", "AttributeError: module 'bench' has no attribute 'nothing'"),
    ],
)
def test_a_mistake_is_one_line(sandbox: Sandbox, call: str, told: str) -> None:
    ended = _script(sandbox, f"import bench\n{call}\n")
    assert ended.returncode == 1
    assert told in ended.stderr.splitlines()[-1]


def test_importing_starts_nothing_and_needs_no_torch(sandbox: Sandbox) -> None:
    ended = _script(sandbox, "import bench, sys\nprint({'torch', 'pandas', 'numpy'} & set(sys.modules))\n")
    assert ended.stdout == "set()\n"


def test_the_directory_of_a_run_is_among_the_reports(sandbox: Sandbox) -> None:
    ended = _script(sandbox, f'import bench\nprint(bench.run("models.py:good", {AXES}).directory)\n')
    assert ended.returncode == 0, ended.stderr
    assert Path(ended.stdout.strip()).parent == sandbox.directory / "reports"


def test_the_readme_s_example_runs_in_a_notebook(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed (extra test)")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(PACKAGE_DIR.parent))
    example = README.read_text().partition("## In a notebook")[2].partition("\n## ")[0]
    code = "\n".join(line[4:] for line in example.splitlines() if line.startswith("    "))
    assert "bench.run(" in code
    cells = (code, "def mine():\n    pass\n\nbench.run(mine)")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    resources = {"metadata": {"path": str(sandbox.directory)}}
    client = nbclient.NotebookClient(
        notebook, timeout=DEADLINE_SECONDS, kernel_name="python3", allow_errors=True, resources=resources
    )
    client.execute()
    shown, refused = (cell.outputs for cell in notebook.cells)
    assert [one["output_type"] for one in shown] == ["execute_result"], shown
    assert "amp_bf16" in shown[0]["data"]["text/html"]
    (error,) = [one for one in refused if one["output_type"] == "error"]
    assert "begin its cell with `%%writefile my_model.py`" in error["evalue"]
