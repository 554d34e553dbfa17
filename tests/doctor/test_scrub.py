"""What is nobody's business is taken out."""

import pytest

from bench.doctor._checks import judge
from bench.doctor._finding import Finding
from bench.doctor._scrub import Scrub
from bench.doctor._seen import Driver, Facts
from tests.doctor import records

SCRUB = Scrub(
    home="/data/people/jane",
    names=("jane",),
    hosts=("gpu-box-7.example.org", "gpu-box-7"),
    versions=("9.10.2.21", "5.15.90.1-microsoft-standard-WSL2"),
)
JAN = Scrub(home="/home/jan", names=("jan",))
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


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
        ("in /data/people/janet/venv", "in /data/people/janet/venv"),
        ("see /data/people/jane.", "see ~."),
        (r"C:\Users\eva\venv", r"~\venv"),
        ("Jane at GPU-Box-7 and gpu-box-7.cluster.local", "<name> at <name> and <name>"),
        ("Linux 6.8.0-45-gpu-box-7", "Linux 6.8.0-45-<name>"),
        *((f"gh{kind}_0123456789abcdef", "<token>") for kind in "oprsu"),
        (f"Bearer {JWT}", "Bearer <token>"),
        ("https://x.org/?token=abc&page=1 HF_TOKEN=abc", "https://x.org/?token=<token>&page=1 HF_TOKEN=<token>"),
        ("https://me:p@ss@index.example.org/simple", "https://<password>@index.example.org/simple"),
        ("connect [10.0.12.7]:29500", "connect [<address>]:29500"),
        (
            "127.0.0.1, driver 580.82.07, cuDNN 9.10.2.21, 300.1.1.1",
            "127.0.0.1, driver 580.82.07, cuDNN 9.10.2.21, 300.1.1.1",
        ),
        ("Linux 5.15.90.1-microsoft-standard-WSL2", "Linux 5.15.90.1-microsoft-standard-WSL2"),
    ],
)
def test_a_text_keeps_what_matters_and_loses_what_is_private(text: str, scrubbed: str) -> None:
    assert SCRUB.text(text) == scrubbed


@pytest.mark.parametrize("home", ["/root", "/home", "/"])
def test_a_home_that_tells_nothing_stays_and_hides_no_other(home: str) -> None:
    assert Scrub(home=home).text("/root/x:/home/otto/x:/homestead") == "/root/x:~/x:/homestead"


def test_the_home_of_somebody_whose_name_begins_alike_is_a_home_too() -> None:
    assert JAN.text("/home/janet/lib:/home/jan/lib:/home/jan") == "~/lib:~/lib:~"


def test_a_common_or_a_short_name_is_left_where_it_stands() -> None:
    scrub = Scrub(home="/", names=("root", "ai", "torch"), hosts=("h100", "12"))
    assert scrub.text("root runs ai with torch in /opt on H100 12") == "root runs ai with torch in /opt on H100 12"


@pytest.mark.parametrize("name", ["python", "pip", "gpu", "root", "user", "torch", "nvidia", "smi", "sudo"])
@pytest.mark.parametrize("set_up", [records.facts(torch=records.cpu_torch()), records.facts(driver=Driver())])
def test_whatever_a_person_and_a_machine_are_called_remedies_stay(name: str, set_up: Facts) -> None:
    findings = judge(set_up)
    scrub = Scrub(home="/root", names=(name,), hosts=(name,))
    assert scrub.findings(findings) == findings


def test_a_record_is_scrubbed_all_through_and_keeps_its_own_words() -> None:
    record = {"name": "jane", "count": 1, "findings": [{"evidence": "of jane", "status": None}]}
    assert SCRUB.plain(record) == {"name": "jane", "count": 1, "findings": [{"evidence": "of <name>", "status": None}]}


def test_every_part_of_a_finding_is_scrubbed() -> None:
    finding = Finding(severity="ok", finding="a jane", evidence="b jane", remedy="c jane")
    (scrubbed,) = SCRUB.findings([finding])
    assert (scrubbed.finding, scrubbed.evidence, scrubbed.remedy) == ("a <name>", "b <name>", "c <name>")


def test_what_this_machine_has_to_hide_is_asked_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/data/people/jane")
    monkeypatch.setenv("LOGNAME", "jane")
    monkeypatch.setattr("socket.gethostname", lambda: "gpu-box-7.example.org")
    assert Scrub.of_this_machine(["9.10.2.21", "5.15.90.1-microsoft-standard-WSL2"]) == SCRUB


def test_a_person_without_a_name_has_less_to_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert Scrub.of_this_machine().names == ("",)
