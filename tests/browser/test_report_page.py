"""report.html in a real browser: it sorts, filters, opens and prints, and asks for nothing."""

import http.server
import importlib.util
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from bench.case import Case
from bench.reporting import html
from bench.result import CaseResult, Failure
from bench.results.frame import Run
from tests.browser import chromium
from tests.browser.chromium import Browser

WriteRun = Callable[[int], Path]
ROWS = "Array.from(document.querySelectorAll('#case-table tbody tr')).filter((row) => !row.hidden)"


@pytest.fixture(name="browser", scope="module")
def _browser() -> Iterator[Browser]:
    path = chromium.program()
    if path is None:
        pytest.skip("there is no chromium on the PATH (Debian: apt-get install chromium)")
    with chromium.started(path) as browser:
        yield browser


@pytest.fixture(name="page")
def _page(
    tmp_path: Path,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
) -> WriteRun:
    """Return the writer of a page of so many cases, each slower than the one before, and one that failed."""

    def write(number: int) -> Path:
        axes = itertools.product(("mlp", "cnn", "<img src=x>.py"), ("fp32", "amp_bf16", "amp_fp16"), range(34))
        chosen = [
            make_case(workload=workload, precision=precision, batch_size=8 + size)
            for workload, precision, size in itertools.islice(axes, number)
        ]
        results = [
            result
            for place, case in enumerate(chosen)
            for result in make_rounds(case, [0.004 + place * 0.0001, 0.00401 + place * 0.0001])
        ]
        failure = Failure(message="no", log_tail={"0": ("</script><script>alert(1)</script>",)})
        failed = CaseResult(
            case=make_case(strategy="ddp", num_devices=2), round=0, status="error", reason="no", failure=failure
        )
        (path,) = html.write(make_run([*results, failed]), tmp_path)
        return path

    return write


def texts(browser: Browser, key: str) -> list[str]:
    """Return the cells of the rows that are shown, in their order."""
    column = (
        f"Array.from(document.querySelectorAll('#case-table thead th')).findIndex((h) => h.dataset.key === '{key}')"
    )
    found: list[str] = browser.evaluate(f"{ROWS}.map((row) => row.cells[{column}].textContent.trim())")
    return found


def choose(browser: Browser, key: str, value: str) -> None:
    browser.evaluate(
        f"(() => {{ const select = document.querySelector('select[data-key={key}]'); select.value = '{value}';"
        "select.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


@pytest.fixture(name="pages")
def _pages(
    page: WriteRun,
    tmp_path: Path,
    make_case: Callable[..., Case],
    make_rounds: Callable[..., list[CaseResult]],
    make_run: Callable[..., Run],
) -> Mapping[str, str]:
    """Return the addresses of both kinds of page: of one run, and of two side by side."""
    cases = [make_case(precision=precision) for precision in ("fp32", "amp_bf16", "amp_fp16")]
    runs = [
        make_run(
            [result for place, case in enumerate(cases) for result in make_rounds(case, [factor / (place + 1)] * 2)],
            label=label,
        )
        for label, factor in (("one", 0.004), ("<b>other</b>", 0.003))
    ]
    directory = tmp_path / "beside"
    directory.mkdir()
    (beside,) = html.write_beside(runs, directory)
    return {"one run": page(12).as_uri(), "side by side": beside.as_uri()}


@pytest.mark.parametrize("number", [1, 12, 300])
def test_the_page_opens_without_a_complaint_and_asks_for_nothing(browser: Browser, page: WriteRun, number: int) -> None:
    address = page(number).as_uri()
    browser.open(address)
    assert browser.complaints == []
    assert browser.requests == [address]
    assert len(texts(browser, "workload")) == number + 1
    assert (
        browser.evaluate("document.getElementById('table-status').textContent") == f"{number + 1} of {number + 1} shown"
    )


def test_a_header_sorts_up_then_down_then_not_at_all_by_keyboard(browser: Browser, page: WriteRun) -> None:
    browser.open(page(12).as_uri())
    planned = texts(browser, "step")
    browser.evaluate("document.querySelector('th[data-key=step] button').focus()")
    sort = "document.querySelector('th[data-key=step]').getAttribute('aria-sort')"
    browser.press("Enter")
    assert texts(browser, "step") == planned
    assert browser.evaluate(sort) == "ascending"
    browser.press("Enter")
    # The case that failed has no step time, and stays at the end.
    assert texts(browser, "step") == [*planned[-2::-1], ""]
    assert browser.evaluate(sort) == "descending"
    browser.press("Enter")
    assert texts(browser, "step") == planned
    assert browser.evaluate(sort) is None
    assert browser.complaints == []


def test_figures_sort_as_numbers(browser: Browser, page: WriteRun) -> None:
    browser.open(page(12).as_uri() + "#sort=batch")
    found = [int(text) for text in texts(browser, "batch")]
    assert found == sorted(found)
    assert found != sorted(found, key=str)


def test_an_axis_filters_the_table_and_the_details(browser: Browser, page: WriteRun) -> None:
    browser.open(page(120).as_uri())
    choose(browser, "workload", "cnn")
    assert set(texts(browser, "workload")) == {"cnn"}
    shown = len(texts(browser, "workload"))
    assert browser.evaluate("document.querySelectorAll('details.case:not([hidden])').length") == shown
    choose(browser, "workload", "mlp")
    choose(browser, "precision", "amp_bf16")
    assert set(zip(texts(browser, "workload"), texts(browser, "precision"), strict=True)) == {("mlp", "amp_bf16")}
    browser.evaluate("document.getElementById('filters-reset').click()")
    assert len(texts(browser, "workload")) == 121


def test_what_was_chosen_is_in_the_address_and_comes_back_from_it(browser: Browser, page: WriteRun) -> None:
    address = page(120).as_uri()
    browser.open(address)
    choose(browser, "precision", "amp_bf16")
    browser.evaluate("document.querySelector('th[data-key=step] button').click()")
    browser.evaluate("document.querySelector('th[data-key=step] button').click()")
    chosen = browser.evaluate("location.hash")
    before = texts(browser, "step")
    assert chosen == "#sort=step&order=descending&precision=amp_bf16"
    browser.open(address + chosen)
    assert texts(browser, "step") == before
    assert browser.complaints == []


def test_a_workload_leads_to_its_details_which_open(browser: Browser, page: WriteRun) -> None:
    browser.open(page(12).as_uri())
    browser.evaluate("document.querySelectorAll('#case-table tbody a')[3].click()")
    assert (
        browser.evaluate(
            "new Promise((done) => setTimeout(() => done(document.querySelectorAll('details[open]').length), 100))"
        )
        == 1
    )
    assert browser.evaluate("document.querySelector('details[open]').id") == browser.evaluate("location.hash.slice(1)")


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_but_a_box_of_its_own_scrolls_sideways(browser: Browser, page: WriteRun, width: int) -> None:
    browser.open(page(12).as_uri(), width=width)
    browser.evaluate("document.querySelectorAll('details').forEach((element) => { element.open = true; })")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_dark_and_light_are_what_the_reader_asked_for(browser: Browser, page: WriteRun) -> None:
    address = page(1).as_uri()
    ground = "getComputedStyle(document.body).backgroundColor"
    assert browser.open(address).evaluate(ground) == "rgb(255, 255, 255)"
    assert browser.open(address, dark=True).evaluate(ground) == "rgb(21, 24, 28)"
    title = "getComputedStyle(document.querySelector('.plot text[font-weight]')).fill"
    assert browser.evaluate(title) == "rgb(230, 232, 235)"


@pytest.mark.parametrize("kind", ["one run", "side by side"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast_names_and_headings_are_what_everybody_can_read(
    browser: Browser, pages: Mapping[str, str], kind: str, dark: bool
) -> None:
    """By axe-core: contrast of 4.5 to 1, headings, names of controls, captions, landmarks."""
    browser.open(pages[kind], dark=dark)
    browser.evaluate("document.querySelectorAll('details').forEach((element) => { element.open = true; })")
    browser.evaluate(axe_core())
    found = browser.evaluate(
        "axe.run(document).then((all) => ({"
        "passes: all.passes.map((rule) => rule.id),"
        "violations: all.violations.map((rule) => [rule.id, rule.nodes.map((node) => node.html)])}))"
    )
    assert found["violations"] == []
    assert {"color-contrast", "heading-order", "document-title", "html-has-lang"} <= set(found["passes"])


def axe_core() -> str:
    """Return the script of axe-core as an expression whose value is plain."""
    package = importlib.util.find_spec("axe_core_python")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8") + "; true"


def test_two_runs_side_by_side_sort_by_the_figures_of_either(browser: Browser, pages: Mapping[str, str]) -> None:
    browser.open(pages["side by side"])
    assert browser.complaints == []
    assert browser.requests == [pages["side by side"]]
    browser.evaluate("document.querySelector('th[data-key=samples-1] button').click()")
    assert texts(browser, "precision") == ["fp32", "amp_bf16", "amp_fp16"]
    browser.evaluate("document.querySelector('th[data-key=samples-1] button').click()")
    assert texts(browser, "precision") == ["amp_fp16", "amp_bf16", "fp32"]
    assert browser.evaluate("document.querySelectorAll('b').length") == 0


@pytest.mark.parametrize("kind", ["one run", "side by side"])
def test_on_paper_nothing_is_cut_off(browser: Browser, pages: Mapping[str, str], kind: str) -> None:
    width = 718  # of A4 in CSS pixels, margins of 1 cm taken off
    browser.open(pages[kind], width=width)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"].startswith("JVBERi0")  # %PDF-


def test_without_javascript_the_table_is_still_there(browser: Browser, page: WriteRun) -> None:
    browser.open("about:blank")
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.load(page(12).as_uri())
    root = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    rows = browser.call("DOM.querySelectorAll", nodeId=root, selector="#case-table tbody tr")["nodeIds"]
    buttons = browser.call("DOM.querySelectorAll", nodeId=root, selector="#case-table button")["nodeIds"]
    assert (len(rows), len(buttons)) == (13, 0)


def test_a_page_that_somebody_broke_into_still_fetches_nothing(
    browser: Browser, page: WriteRun, tmp_path: Path
) -> None:
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            asked.append(self.path)

    path = page(1)
    stranger = (
        "<img src=/a.png><script src=/b.js></script><script>fetch('/c')</script><link rel=stylesheet href=/d.css>"
    )
    path.write_text(path.read_text().replace("</main>", f"{stranger}</main>"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{server.server_port}/{path.name}")
        server.shutdown()
    assert asked == [f"/{path.name}"]
    assert sum("Content Security Policy" in complaint for complaint in browser.complaints) == 4
