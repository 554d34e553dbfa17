"""What the parent sees of the machine: cores, threads, variables, commit."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.running import machine

Cores = Callable[..., None]


@pytest.fixture(name="cores")
def _cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cores:
    """Return what gives this process an affinity, and its cgroup a quota as in /sys/fs/cgroup/cpu.max."""

    def give(affinity: int, quota: str | None = None) -> None:
        quota_file = tmp_path / "cpu.max"
        if quota is not None:
            quota_file.write_text(quota)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(affinity)), raising=False)
        monkeypatch.setattr(machine, "Path", lambda _path: quota_file)

    return give


@pytest.mark.parametrize(
    ("affinity", "quota", "expected"),
    [
        (8, None, 8),
        (8, "max 100000\n", 8),
        (8, "250000 100000\n", 2),
        (8, "50000 100000\n", 1),
        (2, "800000 100000\n", 2),
        (4, "garbage", 4),
    ],
)
def test_usable_cores_are_the_affinity_cut_by_the_quota(
    cores: Cores, affinity: int, quota: str | None, expected: int
) -> None:
    cores(affinity, quota)
    assert machine.usable_cores() == expected


@pytest.mark.parametrize(("num_processes", "expected"), [(1, 6), (2, 3), (4, 1), (12, 1)])
def test_ranks_share_the_cores(cores: Cores, num_processes: int, expected: int) -> None:
    cores(6)
    assert machine.threads_per_rank(num_processes, {}) == expected


def test_ranks_share_what_the_quota_leaves(cores: Cores) -> None:
    cores(8, "400000 100000\n")
    assert machine.threads_per_rank(2, {}) == 2


@pytest.mark.parametrize(("own", "expected"), [("3", 3), ("", 4), ("0", 4), ("2,1", 4), ("many", 4)])
def test_omp_num_threads_decides_where_it_is_a_number(cores: Cores, own: str, expected: int) -> None:
    cores(8)
    assert machine.threads_per_rank(2, {"OMP_NUM_THREADS": own}) == expected


def test_workers_do_not_inherit_an_outer_launcher() -> None:
    outer = {
        **dict.fromkeys(("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"), "1"),
        **dict.fromkeys(("ROLE_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT"), "1"),
        **dict.fromkeys(("TORCHELASTIC_RUN_ID", "TORCHELASTIC_USE_AGENT_STORE"), "1"),
    }
    own = {"HOME": "/home/me", "OMP_NUM_THREADS": "3", "MY_RANK": "1", "RANKING": "1", "CUDA_VISIBLE_DEVICES": "0"}
    seen = machine.worker_environment({**outer, **own})
    assert {name: value for name, value in seen.items() if not name.endswith("_SOCKET_IFNAME")} == own


def test_workers_talk_over_loopback() -> None:
    seen = machine.worker_environment({"GLOO_SOCKET_IFNAME": "eth0"})
    assert seen["GLOO_SOCKET_IFNAME"] in ("lo", "lo0")
    assert seen["NCCL_SOCKET_IFNAME"] == seen["GLOO_SOCKET_IFNAME"]


def test_the_network_card_that_the_user_names_for_nccl_is_taken() -> None:
    assert machine.worker_environment({"NCCL_SOCKET_IFNAME": "eth0"})["NCCL_SOCKET_IFNAME"] == "eth0"


def test_the_hard_keys_hold_the_cpu_the_cores_and_every_variable_that_changes_speed(cores: Cores) -> None:
    slow = {
        "OMP_NUM_THREADS": "1",
        "MKL_DEBUG_CPU_TYPE": "5",
        "LD_PRELOAD": "libjemalloc.so",
        "CUDA_LAUNCH_BLOCKING": "1",
    }
    more = {
        "ATEN_CPU_CAPABILITY": "avx2",
        "NVIDIA_TF32_OVERRIDE": "0",
        "PYTORCH_CUDA_ALLOC_CONF": "x",
        "MALLOC_CONF": "y",
    }
    keys = machine.hard_keys({**slow, **more, "HOME": "/home/me", "MY_OMP_THREADS": "1", "TMPDIR": "/tmp"})
    assert keys.items() >= {**slow, **more}.items()
    assert keys.keys() - slow.keys() - more.keys() == {
        *("cpu_vendor", "cpu_family", "cpu_model", "cpu_stepping", "cpu_name", "cores", "governor", "schema")
    }
    cores(5)
    assert machine.hard_keys({})["cores"] == "5"


def test_the_cpu_is_the_first_one_of_proc_cpuinfo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(
        "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\nstepping\t: 0\n"
        "cpu MHz\t: 1.0\n\nvendor_id\t: Other\n"
    )
    monkeypatch.setattr(machine, "Path", lambda path: cpuinfo if path == "/proc/cpuinfo" else tmp_path / "absent")
    keys = machine.hard_keys({})
    assert {name: value for name, value in keys.items() if name.startswith("cpu_")} == {
        "cpu_vendor": "AuthenticAMD",
        "cpu_family": "25",
        "cpu_model": "1",
        "cpu_name": "AMD EPYC",
        "cpu_stepping": "0",
    }
    assert keys["governor"] == ""


def test_the_soft_keys_hold_what_never_forbids_a_comparison() -> None:
    assert machine.soft_keys().keys() == {"hostname", "kernel", "system", "load_1min"}


@pytest.fixture(name="git")
def _git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name, value in {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}.items():
        monkeypatch.setenv(name, value)
    for variable in [name for name in os.environ if name.startswith("GIT_") and "CONFIG" not in name]:
        monkeypatch.delenv(variable)  # a hook that runs the tests has some

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "model.py").write_text("one\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")
    return git


def test_the_commit_is_that_of_the_checkout(git: Callable[..., str], tmp_path: Path) -> None:
    assert machine.commit_of(tmp_path) == git("rev-parse", "--short=9", "HEAD")


def test_the_commit_says_when_tracked_files_were_changed(git: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "untracked.txt").write_text("a report")
    assert not machine.commit_of(tmp_path).endswith("-dirty")
    (tmp_path / "model.py").write_text("two\n")
    assert machine.commit_of(tmp_path) == git("rev-parse", "--short=9", "HEAD") + "-dirty"


def test_a_tag_does_not_take_the_place_of_the_commit(git: Callable[..., str], tmp_path: Path) -> None:
    git("tag", "--annotate", "v1", "--message", "v1")
    assert machine.commit_of(tmp_path) == git("rev-parse", "--short=9", "HEAD")


def test_there_is_no_commit_outside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.commit_of(tmp_path) == ""


def test_there_is_no_commit_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.commit_of(tmp_path) == ""


def test_where_compiled_code_is_kept_is_no_key_but_how_it_is_made_is() -> None:
    keys = machine.hard_keys(
        {"TORCHINDUCTOR_CACHE_DIR": "/a", "TRITON_CACHE_DIR": "/b", "TORCHINDUCTOR_FREEZING": "1", "TRITON_DEBUG": "1"}
    )
    assert {key for key in keys if key.startswith("T")} == {"TORCHINDUCTOR_FREEZING", "TRITON_DEBUG"}


def test_the_compilers_are_known_by_their_versions_or_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "c++"
    compiler.write_text("#!/bin/sh\necho 'c++ (mine) 12.2'\necho more\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setattr(machine, "version_of", {"pytorch-triton": "3.4.0"}.get)
    assert machine.compiler_keys() == {"cxx": "c++ (mine) 12.2", "triton": "3.4.0"}
    monkeypatch.setenv("CXX", str(tmp_path / "gone"))
    assert machine.compiler_keys()["cxx"] == ""
    assert machine.cxx_compiler() is None
