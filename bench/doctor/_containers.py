"""What gives a container a card: a table."""

from bench.doctor._seen import Machine

GPUS_ALL = "`--gpus all`, and NVIDIA's container toolkit on the host"
KUBERNETES = "a limit of nvidia.com/gpu, and NVIDIA's device plugin on the node"
CONTAINERS = {"kubernetes": KUBERNETES, "kubepods": KUBERNETES, "lxc": "`lxc config device add NAME gpu gpu`"}
"""What it is where it is not the option that docker and podman share."""


def start_with_card(machine: Machine) -> str:
    """Return what to do so that the container that this *machine* is gets a card."""
    return f"start this container ({machine.container}) with {CONTAINERS.get(machine.container, GPUS_ALL)}"
