"""The shape of a suite file: whatever is wrong with it is one line that says where."""

from pathlib import Path

import pytest

from bench import errors, suite_file


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _refusal(content: str | bytes) -> str:
    path = Path("my.toml")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(errors.UsageError) as caught:
        suite_file.read(path)
    return str(caught.value)


WORDS = "a string or a list of strings"
COUNTS = "a positive integer or a list of them"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("workload = 3", f"workload: expected {WORDS}, not 3"),
        ("workload = []", f"workload: expected {WORDS}, not an empty list"),
        ('workload = ["mlp", true]', f"workload: expected {WORDS}, not true"),
        ('workload = { name = "mlp" }', f"workload: expected {WORDS}, not a table"),
        ('workload = "mlp"\nbatch_size = "8"', f"batch_size: expected {COUNTS}, not '8'"),
        ('workload = "mlp"\nbatch_size = [8, 0]', f"batch_size: expected {COUNTS}, not 0"),
        ('workload = "mlp"\n"global_batch_size" = 1.5', f"global_batch_size: expected {COUNTS}, not 1.5"),
        ('workload = "mlp"\n  num_devices = true', f"num_devices: expected {COUNTS}, not true"),
        ('workload = "mlp"\nneeds_accelerator = 1', "needs_accelerator: expected true or false, not 1"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_what_is_expected(line: str, complaint: str) -> None:
    assert _refusal(f"schema = 1\n[[case]]\n{line}\n") == f"my.toml:{3 + line.count(chr(10))}: [[case]] 1: {complaint}"


def test_the_table_is_counted_and_the_line_is_of_the_key_in_that_table() -> None:
    table = '[[case]]\nworkload = "mlp"\nbatch_size = 8\n'
    wrong = table.replace("8", "-8")
    assert _refusal(f"schema = 1\n{table}{table}{wrong}") == (
        f"my.toml:10: [[case]] 3: batch_size: expected {COUNTS}, not -8"
    )


def test_a_table_without_a_header_of_its_own_has_no_line() -> None:
    assert _refusal('schema = 1\ncase = [{ workload = "mlp" }, { workload = 3 }]') == (
        f"my.toml: [[case]] 2: workload: expected {WORDS}, not 3"
    )


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("budget_seconds = -1", "budget_seconds: expected a positive number, not -1"),
        ("budget_seconds = inf", "budget_seconds: expected a positive number, not inf"),
        ("budget_seconds = true", "budget_seconds: expected a positive number, not true"),
        ("summary = 3", "summary: expected a string, not 3"),
        ("budget = 3", "key 'budget' is not known; did you mean 'budget_seconds'?"),
        ("[[cases]]", "key 'cases' is not known; did you mean 'case'?"),
        ("case = 3", "case: expected [[case]] tables, in double brackets, not 3"),
        ('case = ["mlp"]', "case: expected [[case]] tables, in double brackets, not 'mlp'"),
        ("case = []", "case: expected [[case]] tables, in double brackets, not an empty list"),
        ("[case]", "case: expected [[case]] tables, in double brackets, not a table"),
    ],
)
def test_a_mistake_at_the_top_names_its_line(line: str, complaint: str) -> None:
    assert _refusal(f"schema = 1\n{line}\n") == f"my.toml:2: {complaint}"


def test_a_misspelt_key_is_told_the_nearest() -> None:
    assert _refusal('schema = 1\n[[case]]\nworklaod = "mlp"\n') == (
        "my.toml:3: [[case]] 1: key 'worklaod' is not known; did you mean 'workload'?"
    )


def test_a_table_without_a_workload_names_the_line_of_its_header() -> None:
    assert _refusal('schema = 1\n[[case]]\ndevice = "cpu"\n') == (
        'my.toml:2: [[case]] 1: workload is missing; every [[case]] needs one, such as: workload = "mlp"'
    )


def test_an_empty_file_is_told_how_to_begin() -> None:
    assert _refusal("") == "my.toml: schema is missing; begin the file with: schema = 1"


def test_a_suite_without_a_table_is_refused() -> None:
    assert _refusal("schema = 1\n") == "my.toml: case is missing; a suite needs at least one [[case]] table"


@pytest.mark.parametrize(("written", "shown"), [("2", "2"), ("true", "true"), ("1.0", "1.0"), ('"1"', "'1'")])
def test_another_schema_is_refused_before_its_keys_are_looked_at(written: str, shown: str) -> None:
    assert _refusal(f"schema = {written}\nnew_key = 3\n") == (
        f"my.toml:1: schema: expected 1, the only one that this version reads, not {shown}"
    )


def test_a_syntax_error_keeps_the_line_that_toml_gives() -> None:
    assert _refusal("schema = 1\n\n[[case]]\nworkload = mlp\n") == "my.toml:4: not TOML: Invalid value (column 12)"


def test_a_syntax_error_at_the_end_has_no_line() -> None:
    assert _refusal('summary = """x') == "my.toml: not TOML: Unterminated string (at end of document)"


def test_a_file_that_is_no_text_is_refused() -> None:
    assert _refusal(b"\xff\xfe") == "my.toml: not TOML (not UTF-8 text)"


def test_a_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(errors.UsageError, match=r"^absent\.toml: cannot be read \(No such file or directory\)$"):
        suite_file.read(Path("absent.toml"))
