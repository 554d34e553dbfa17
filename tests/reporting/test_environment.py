"""environment.json: where a run was made."""

import json
from collections.abc import Callable
from pathlib import Path

from bench.reporting import environment
from bench.result import DeviceInfo, Environment
from bench.results.frame import Run


def test_the_machine_and_the_command_are_told_apart_from_the_results(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    machine = Environment(
        devices=(DeviceInfo(type="cuda", index=0, name="NVIDIA H100", capability=(9, 0)),),
        hard={"torch": "2.13.0"},
        soft={"hostname": "höst"},
    )
    run = make_run([], environment=machine, label="x", command=("run_bench.py", "--rounds", "2"), commit="abc")
    (path,) = environment.write(run, tmp_path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "environment.json"
    assert content["command"] == ["run_bench.py", "--rounds", "2"]
    assert (content["label"], content["commit"], content["started_at"]) == ("x", "abc", "")
    assert content["devices"][0]["capability"] == [9, 0]
    assert (content["hard"], content["soft"]) == ({"torch": "2.13.0"}, {"hostname": "höst"})
