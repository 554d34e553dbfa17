"""The processor: cores, quota, governor, threads."""

from collections.abc import Iterator

from bench.doctor._finding import Finding
from bench.doctor._seen import Facts, Machine

SLOW_GOVERNORS = ("powersave", "conservative")
PSTATE_DRIVERS_NOTE = "with intel_pstate or amd_pstate, powersave is the usual name and not slow"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def check(facts: Facts) -> Iterator[Finding]:
    """Say which cores there are, then what keeps torch from using them well."""
    machine = facts.machine
    yield Finding(severity="ok", finding=_cores(machine), evidence=machine.cpu)
    if machine.quota_cores is not None and machine.quota_cores < machine.visible_cores:
        yield _quota(facts, machine.quota_cores)
    if machine.governor in SLOW_GOVERNORS:
        yield Finding(
            severity="note",
            finding=f"the CPU's governor is {machine.governor}",
            evidence=PSTATE_DRIVERS_NOTE,
            remedy="for steady figures: sudo cpupower frequency-set -g performance",
        )
    for name in THREAD_VARIABLES:
        yield from _threads(name, facts)


def _cores(machine: Machine) -> str:
    words = [f"{machine.usable_cores} of {machine.logical_cores} CPU cores usable"]
    if machine.smt is not None:
        words.append("two threads a core (SMT)" if machine.smt else "no SMT")
    if machine.numa_nodes > 1:
        words.append(f"{machine.numa_nodes} NUMA nodes")
    return ", ".join(words)


def _quota(facts: Facts, quota: float) -> Finding:
    """Judge a quota of fewer cores than are seen: torch counts those that are seen, and all its threads are stopped."""
    cores, threads = facts.machine.visible_cores, facts.variables.get("OMP_NUM_THREADS", "")
    whole = max(1, int(quota))
    fits = threads.isdigit() and int(threads) > 0  # by somebody's choice, which is judged with the variable
    return Finding(
        severity="note" if fits else "warning",
        finding=f"the container may use {quota:g} of {cores} cores"
        + ("" if fits else f", and torch starts {cores} threads: they will be stopped in the middle of a step"),
        evidence="the cgroup's CPU quota",
        remedy=""
        if fits
        else f"give the container cores of its own (docker: `--cpuset-cpus 0-{whole - 1}`), or set "
        f"OMP_NUM_THREADS={whole}",
    )


def _threads(name: str, facts: Facts) -> Iterator[Finding]:
    text = facts.variables.get(name)
    if text is None:
        return
    machine = facts.machine
    quota = machine.quota_cores
    cores = machine.usable_cores if quota is None else min(machine.usable_cores, max(1, int(quota)))
    all_cores = f"run `unset {name}`" if cores == machine.visible_cores else f"set {name}={cores}"
    if not text.isdigit() or int(text) == 0:
        yield Finding(
            severity="warning",
            finding=f"{name} is not a number of threads",
            evidence=f"{name}={text!r}",
            remedy=all_cores,
        )
    elif int(text) != cores:
        few = int(text) < cores
        yield Finding(
            severity="note" if few else "warning",
            finding=f"{name} makes torch use {text} thread{'' if text == '1' else 's'} on {cores} cores",
            evidence=f"{name}={text}",
            remedy=f"{all_cores} for all cores" if few else f"{all_cores}: more threads than cores wait",
        )
