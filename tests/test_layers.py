"""Imports point down: who may import whom, from the source of every file, and what a quick command loads."""

import ast
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.registry import PACKAGE_DIR

LAYERS = (
    ("errors", "case", "result", "record", "workload"),  # words
    # Tables:
    (
        "registry",
        "precisions",
        "metrics",
        "statistics",
        "numbers",
        "labels",
        "reference",
        "flags",
        "axes",
        "workload_spec",
        "peaks",
        "utilization",
        "fingerprint",
        "explanations",
        "pair",
        "signed_rank",
    ),
    ("suite", "suite_file"),
    ("workloads", "strategies"),
    ("measuring",),
    ("running",),
    ("selftest",),
    ("results",),
    ("reporting",),
    ("comparing",),
    ("exporting", "history"),
    ("doctor",),
    ("commands",),
    ("cli", "api", "pytest_plugin", "testing"),
)
"""From the bottom to the top; a file imports from its own layer and from those before it."""

LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
WORDS_AND_TABLES = {*LAYERS[0], *LAYERS[1], *LAYERS[2]}
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "handler", "handlers"}
"""Names that say nothing, so that anything ends up in them."""


@dataclasses.dataclass(frozen=True)
class Import:
    """One import of a module, where it stands, and when it happens."""

    file: str
    line: int
    module: str
    when: str
    """`load` at the top of the file, `call` inside a function, `never` under TYPE_CHECKING."""

    def is_of(self, *packages: str) -> bool:
        return any(self.module == package or self.module.startswith(f"{package}.") for package in packages)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def _imports(node: ast.AST, file: str, when: str = "load") -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(file, child.lineno, alias.name, when) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            module = "." * child.level + (child.module or "")
            yield Import(file, child.lineno, module, when)
            yield from (Import(file, child.lineno, f"{module}.{alias.name}", when) for alias in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(child, file, "never")
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and when == "load":
            yield from _imports(child, file, "call")
        else:
            yield from _imports(child, file, when)


FILES = sorted(path.relative_to(PACKAGE_DIR) for path in PACKAGE_DIR.rglob("*.py"))
IMPORTS = [found for path in FILES for found in _imports(ast.parse((PACKAGE_DIR / path).read_bytes()), path.as_posix())]


def _part(file_or_module: str) -> str:
    """Return the part of the package that a file ("running/pool.py") or a module ("bench.running.pool") belongs to."""
    return file_or_module.removeprefix("bench.").replace("/", ".").removesuffix(".py").split(".")[0]


def _offences(part: set[str], *packages: str, at: tuple[str, ...] = ("load", "call")) -> list[str]:
    return [
        str(entry) for entry in IMPORTS if _part(entry.file) in part and entry.when in at and entry.is_of(*packages)
    ]


SOURCE = """
import a.b
if TYPE_CHECKING:
    import c
try:
    from d import e
except ImportError:
    import f
class G:
    import h
    def method(self):
        with self:
            import i
"""


def test_an_import_is_seen_wherever_it_stands() -> None:
    seen = [(entry.module, entry.when) for entry in _imports(ast.parse(SOURCE), "file.py")]
    assert seen == [
        *(("a.b", "load"), ("c", "never"), ("d", "load"), ("d.e", "load"), ("f", "load"), ("h", "load"), ("i", "call")),
    ]


def test_the_package_has_files_and_imports() -> None:
    assert {_part(path.as_posix()) for path in FILES} >= {"cli", "case", "measuring", "running", "results", "reporting"}
    assert {("torch", "never"), ("torch.nn.parallel", "call"), ("bench.case", "load")} <= {
        (entry.module, entry.when) for entry in IMPORTS if entry.file == "strategies/ddp.py"
    }


def test_imports_give_the_whole_name() -> None:
    assert [str(entry) for entry in IMPORTS if entry.module.startswith(".")] == []


def test_every_part_of_the_package_has_its_layer() -> None:
    folders = {_part(path.as_posix()) for path in FILES if len(path.parts) > 1}
    assert folders - LEVELS.keys() == set()


def test_imports_point_down() -> None:
    offences = [
        str(entry)
        for entry in IMPORTS
        if entry.is_of("bench")
        and _part(entry.file) in LEVELS
        and LEVELS.get(_part(entry.module), 0) > LEVELS[_part(entry.file)]
    ]
    assert offences == []


def test_nothing_imports_the_command_line() -> None:
    assert [str(entry) for entry in IMPORTS if entry.is_of("bench.cli")] == []


@pytest.mark.parametrize("part", ["results", "reporting"])
def test_results_and_reports_never_import_torch(part: str) -> None:
    assert _offences({part}, "torch", "bench.measuring") == []


def test_the_workers_side_never_imports_what_the_parent_reports_with() -> None:
    others = ("bench.running", "bench.results", "bench.reporting", "bench.commands", "bench.suite")
    assert _offences({"measuring"}, "pandas", "matplotlib", "rich", "scipy", "pydantic", "numpy", *others) == []


def test_the_parents_side_never_imports_what_comes_after_it() -> None:
    others = ("bench.results", "bench.reporting", "bench.commands")
    assert _offences({"running"}, "pandas", "matplotlib", *others) == []


def test_the_parents_side_imports_torch_only_where_workers_are_started() -> None:
    offences = [str(entry) for entry in IMPORTS if _part(entry.file) == "running" and entry.is_of("torch")]
    assert all(offence.startswith("running/launcher.py:") for offence in offences)
    assert _offences({"running"}, "torch", at=("load",)) == []


def test_the_parents_side_of_the_self_test_imports_torch_only_inside_functions() -> None:
    workers_side = {"selftest/_cuda.py", "selftest/_turns.py", "selftest/_workloads.py"}
    files = {path.as_posix() for path in FILES if path.parts[0] == "selftest"}
    assert workers_side < files
    modules = [f"bench.{file.removesuffix('.py').replace('/', '.')}" for file in workers_side]
    on_load = [entry for entry in IMPORTS if entry.file in files - workers_side and entry.when == "load"]
    assert [str(entry) for entry in on_load if entry.is_of("torch", *modules)] == []


def test_the_self_test_imports_nothing_that_reports() -> None:
    assert _offences({"selftest"}, "pandas", "matplotlib", "rich", "bench.results", "bench.reporting") == []


def test_doctor_imports_torch_only_where_a_worker_is_asked() -> None:
    worker = "doctor/_in_worker.py"
    assert worker in {path.as_posix() for path in FILES}
    offences = [entry for entry in IMPORTS if _part(entry.file) == "doctor" and entry.file != worker]
    assert [str(entry) for entry in offences if entry.is_of("torch", "bench.doctor._in_worker")] == []


def test_doctor_imports_nothing_that_reports() -> None:
    assert _offences({"doctor"}, "pandas", "matplotlib", "rich", "bench.results", "bench.reporting") == []


def test_what_doctor_judges_comes_from_records_not_from_the_machine() -> None:
    checks = {path.as_posix() for path in FILES if path.parts[0] == "doctor" and not path.stem.startswith("_")}
    asking = ("subprocess", "os", "pathlib", "platform", "socket", "psutil", "shutil", "bench.running")
    assert [str(entry) for entry in IMPORTS if entry.file in checks and entry.is_of(*asking)] == []


def test_words_and_tables_import_no_torch() -> None:
    assert _offences(WORDS_AND_TABLES, "torch") == []


def test_words_import_nothing_but_the_standard_library_and_each_other() -> None:
    offences = [
        str(entry)
        for entry in IMPORTS
        if _part(entry.file) in LAYERS[0]
        and entry.when != "never"
        and not entry.is_of("bench")
        and entry.module.split(".")[0] not in sys.stdlib_module_names
    ]
    assert offences == []


def test_strategies_import_torch_only_inside_functions() -> None:
    questions = [path.stem for path in FILES if path.parts[0] == "strategies" and not path.stem.startswith("_")]
    files = {f"strategies/{name}.py" for name in (*questions, "_base")}
    offences = [
        str(entry) for entry in IMPORTS if entry.file in files and entry.is_of("torch") and entry.when == "load"
    ]
    assert offences == []


def test_workloads_import_words_only() -> None:
    offences = [
        str(entry)
        for entry in IMPORTS
        if _part(entry.file) == "workloads" and entry.is_of("bench") and entry.module != "bench"
        if not entry.is_of("bench.workload", "bench.workloads")
    ]
    assert offences == []


def test_only_the_command_line_and_the_reports_print_in_colour() -> None:
    parts = set(LEVELS) - {"commands", "reporting", "comparing", "cli", "doctor"}
    assert _offences(parts, "rich") == []


def test_every_name_of_a_file_says_what_is_in_it() -> None:
    assert [str(path) for path in FILES if path.stem.strip("_") in NO_NAMES] == []


def _loaded_by(program: str, tmp_path: Path) -> set[str]:
    """Return the names in sys.modules after *program* ran in a process of its own."""
    root = PACKAGE_DIR.parent
    ending = "print(*sys.modules, file=sys.stderr)"
    whole = f"import sys; sys.path.insert(0, {str(root)!r}); sys.argv = ['run_bench.py']\n{program}\n{ending}"
    ended = subprocess.run(
        [sys.executable, "-c", whole], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    return set(ended.stderr.split())


HELP = "from bench.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass"


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    loaded = _loaded_by(HELP, tmp_path)
    assert "bench.commands.run" in loaded
    assert {"torch", "pandas", "numpy", "scipy", "matplotlib", "pydantic", "rich", "psutil"} & loaded == set()


def test_list_loads_neither_torch_nor_what_reports_are_made_with(tmp_path: Path) -> None:
    loaded = _loaded_by("from bench.cli import main\nmain(['list'])", tmp_path)
    assert "bench.commands.list" in loaded
    assert {"torch", "pandas", "numpy", "scipy", "matplotlib", "rich"} & loaded == set()


def test_the_parent_of_a_self_test_does_not_load_torch(tmp_path: Path) -> None:
    everything = "import bench.commands._selftest, bench.registry as registry\n"
    everything += "for name in registry.names('selftest'): registry.load('selftest', name)"
    loaded = _loaded_by(everything, tmp_path)
    assert "bench.selftest.bare_loop" in loaded
    assert {"torch", "pandas", "numpy", "scipy", "matplotlib"} & loaded == set()


def test_the_parent_of_doctor_does_not_load_torch(tmp_path: Path) -> None:
    everything = "import bench.commands._doctor, bench.registry as registry\n"
    everything += "for name in registry.names('doctor'): registry.load('doctor', name)"
    loaded = _loaded_by(everything, tmp_path)
    assert {"bench.doctor.proof", "bench.doctor._machine"} <= loaded
    assert {"torch", "pandas", "numpy", "scipy", "matplotlib"} & loaded == set()


def test_an_explanation_needs_nothing_heavy(tmp_path: Path) -> None:
    loaded = _loaded_by("from bench.cli import main\nmain(['doctor', '--explain', 'CUDA out of memory'])", tmp_path)
    assert "bench.explanations" in loaded
    assert {"torch", "pandas", "numpy", "scipy", "matplotlib", "pydantic", "rich", "psutil"} & loaded == set()


def test_the_parent_of_a_run_does_not_load_torch(tmp_path: Path) -> None:
    everything = "import bench.commands._measure, bench.registry as registry\n"
    everything += "for name in registry.names('reporting'): registry.load('reporting', name)\n"
    everything += "for name in registry.names('strategies'): registry.load('strategies', name)"
    loaded = _loaded_by(everything, tmp_path)
    assert {"bench.running.pool", "pandas", "matplotlib"} <= loaded
    assert {"torch", "matplotlib.pyplot"} & loaded == set()
