"""What is nobody's business is taken out."""

import pytest

from bench.doctor._finding import Finding
from bench.doctor._scrub import Scrub

SCRUB = Scrub(home="/data/people/jane", names=("jane", "gpu-box-7.example.org", "gpu-box-7"))


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("in /data/people/jane/venv/lib", "in ~/venv/lib"),
        ("LD_LIBRARY_PATH=/home/otto/lib:/Users/eva/lib", "LD_LIBRARY_PATH=~/lib:~/lib"),
        ("OSError: /home/otto", "OSError: ~"),
        ("jane on gpu-box-7.example.org", "<name> on <name>"),
        ("gpu-box-7: error", "<name>: error"),
        ("janes gpu-box-71", "janes gpu-box-71"),
        ("hf_abcdefghijklmnop and ghp_0123456789abcdef", "<token> and <token>"),
        ("https://me:secret@index.example.org/simple", "https://<password>@index.example.org/simple"),
        ("GPU-529b3263-c96d-b557-bc75-697f04917eda", "GPU-<uuid>"),
        ("NVIDIA H100 80GB HBM3, sm_90", "NVIDIA H100 80GB HBM3, sm_90"),
    ],
)
def test_a_text_keeps_what_matters_and_loses_what_is_private(text: str, scrubbed: str) -> None:
    assert SCRUB.text(text) == scrubbed


def test_a_common_or_a_short_name_is_left_where_it_stands() -> None:
    scrub = Scrub(home="/", names=("root", "ai", "torch"))
    assert scrub.text("root runs ai with torch in /opt") == "root runs ai with torch in /opt"


def test_every_part_of_a_finding_is_scrubbed() -> None:
    finding = Finding(severity="ok", finding="a jane", evidence="b jane", remedy="c jane")
    (scrubbed,) = SCRUB.findings([finding])
    assert (scrubbed.finding, scrubbed.evidence, scrubbed.remedy) == ("a <name>", "b <name>", "c <name>")


def test_this_machine_has_something_to_hide() -> None:
    scrub = Scrub.of_this_machine()
    assert scrub.home.startswith("/")
    assert len(scrub.names) == 3
