"""The formats for programs and for issue reports."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.doctor._checks import judge
from bench.doctor._finding import worst_first
from bench.doctor._report import markdown, plain, summary
from bench.doctor._seen import Facts, Proof
from bench.registry import PACKAGE_DIR
from tests.doctor import records

SCHEMA = json.loads((PACKAGE_DIR / "doctor" / "schema.json").read_text(encoding="utf-8"))
KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
PROOF = Proof(device="cpu", precision="fp32", strategy="ddp", status="timeout", reason="not done")
FACTS = {
    "with a GPU": records.facts(proofs=(PROOF,), variables={"OMP_NUM_THREADS": "1"}),
    "without one": records.cpu_facts(),
    "without torch": records.cpu_facts(torch=None, torch_failure="no"),
    "AMD's": records.facts(torch=records.torch(hip="7.0", cuda="", devices=(records.device(capability=None),))),
}


def violations(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """Return where *value* is not as *schema* says; knows the words of JSON Schema that ours uses, and no other."""
    unknown = schema.keys() - {"$schema", "title", "description", "type", "required", "properties", "items", "enum"}
    assert unknown <= {"additionalProperties", "const"}, unknown
    kinds = schema.get("type", list(KINDS))
    wanted = tuple(KINDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        return [f"{place}: {value!r} is not {kinds}"]
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return [f"{place}: {value!r} is not one of those allowed"]
    found: list[str] = []
    if isinstance(value, dict):
        others = schema.get("additionalProperties", True)
        known = schema.get("properties", {})
        found += [f"{place}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name not in known and others is False:
                found.append(f"{place}: {name} is not known")
            elif name in known or isinstance(others, dict):
                found += violations(item, known.get(name, others), f"{place}.{name}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += violations(item, schema.get("items", {}), f"{place}[{number}]")
    return found


@pytest.mark.parametrize("name", FACTS)
def test_the_json_is_as_its_schema_says(name: str) -> None:
    facts = FACTS[name]
    answer = json.loads(json.dumps(plain(facts, worst_first(judge(facts)))))
    assert violations(answer, SCHEMA) == []
    assert answer["findings"]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"ready": "yes"}, "$.ready"),
        ({"schema_version": 2}, "$.schema_version"),
        ({"variables": {"A": 1}}, "$.variables.A"),
        ({"findings": [{"name": "x"}]}, "$.findings[0]"),
        ({"hostname": "x"}, "$"),
    ],
)
def test_what_is_not_as_the_schema_says_is_seen(change: dict[str, Any], place: str) -> None:
    answer = plain(FACTS["without one"], [])
    assert violations({**answer, **change}, SCHEMA)[0].startswith(f"{place}:")


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (records.cpu_facts(), "READY, on the CPU only: there is no GPU here that torch could use."),
        (records.facts(), "READY: torch can use 1 device (NVIDIA H100 80GB HBM3)."),
        (
            records.facts(torch=records.torch(devices=(records.device(), records.device(index=1)))),
            "READY: torch can use 2 devices (NVIDIA H100 80GB HBM3).",
        ),
        (
            records.facts(torch=records.cpu_torch()),
            "NOT READY: 1 thing has to be put right, from the top down.",
        ),
    ],
)
def test_the_answer_is_one_sentence(facts: Facts, text: str) -> None:
    assert summary(facts, judge(facts)) == text


def test_the_markdown_is_a_table_whose_cells_hold_together() -> None:
    variables = {"LD_LIBRARY_PATH": "~/lib\n```\n@somebody"}
    facts = records.cpu_facts(variables=variables, broken={"timm": "Error: a | b\n<c> ``` @somebody"})
    lines = markdown(facts, worst_first(judge(facts))).splitlines()
    (row,) = [line for line in lines if "timm" in line]
    assert row == (
        r"| warning | packages | timm is installed and cannot be imported (Error: a \| b &lt;c> ''' &#64;somebody) "
        "| python -m pip install --force-reinstall timm, or uninstall it |"
    )
    assert lines[-3:] == ["```text", "LD_LIBRARY_PATH=~/lib ''' @somebody", "```"]
    assert lines[2].startswith("READY")


def test_the_schema_lies_beside_what_it_describes() -> None:
    assert Path(PACKAGE_DIR / "doctor" / "schema.json").is_file()
    assert SCHEMA["properties"]["findings"]["items"]["properties"]["severity"]["enum"] == [
        *("error", "warning", "note", "ok")
    ]
