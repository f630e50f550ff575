"""The frame around the pages, and the command."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from core.dashboard.app import HOST, PAGES, bind, make
from core.dashboard.watch import Watch
from core.errors import UserError
from tests.core.dashboard.browser import Serve, start
from tests.core.run_folders import evaluations, write_run

TITLES = ("Overview", "Compare", "Run", "Tables")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for seed in range(2):
        write_run(root, seed=seed, rows=evaluations(1.0, 2.0))
    return root


def test_every_page_opens_in_both_themes_and_fits(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root))
    for _ in ("light", "dark"):
        for title in TITLES:
            link = page.get_by_role("navigation", name="pages").get_by_role("link", name=title, exact=True)
            link.click()
            expect(page.get_by_role("heading", level=1)).to_have_text(title)
            expect(link).to_have_attribute("aria-current", "page")
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        page.locator("#theme").click()


def test_an_address_nobody_has_says_so(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root) + "nowhere")
    expect(page.get_by_role("status")).to_have_text("There is no such page.")


def test_the_theme_is_the_systems_until_one_is_chosen(root: Path, serve: Serve, page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(serve(root))
    html, switch = page.locator("html"), page.locator("#theme")
    expect(html).to_have_attribute("data-theme", "dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.emulate_media(color_scheme="light")
    expect(html).to_have_attribute("data-theme", "light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    expect(switch).to_have_accessible_name("Dark theme")  # what a press does
    switch.click()
    expect(html).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(html).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Light theme")).to_be_visible()


def test_the_keyboard_reaches_everything_and_is_seen(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root))
    expect(page.get_by_role("table")).to_be_visible()
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(e => e.id || e.dataset.act || e.textContent.slice(0, 20))(document.activeElement)"
            )
        )
        seen = "[e, e.closest('.dash-input-container') || e].some(x => getComputedStyle(x).outlineStyle !== 'none')"
        assert page.evaluate(f"(e => {seen})(document.activeElement)"), reached
    assert reached[0] == "Skip to the page"
    assert [one for one in reached if one.startswith("to-")] == [
        "to-overview",
        "to-compare",
        "to-run",
        "to-tables",
    ]
    wanted = {"theme", "overview-search", "overview-algorithms", "overview-tasks", "state", "sort"}
    assert wanted <= set(reached)


def test_a_button_nobody_listens_to_does_nothing(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root) + "tables")
    expect(page.get_by_role("heading", level=1)).to_have_text("Tables")
    page.evaluate("document.querySelector('#page h1').innerHTML = '<button data-act=edit>Edit</button>'")
    page.get_by_role("button", name="Edit").click()
    page.wait_for_timeout(1000)  # an error in the console would be the test's end


def test_back_and_forth_go_between_pages(root: Path, serve: Serve, page: Page) -> None:
    page.goto(serve(root))
    page.get_by_label("Search").fill("cart")
    expect(page).to_have_url(re.compile(r"/\?search=cart$"))
    page.get_by_role("link", name="Run", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(page.get_by_label("Search")).to_have_value("cart")


def test_a_page_says_when_the_dashboard_has_stopped(root: Path, browser: object) -> None:
    process, url = start(root)
    page: Page = browser.new_page()  # type: ignore[attr-defined]
    page.goto(url)
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.locator("#gone")).to_be_hidden()
    process.kill()
    process.communicate()
    expect(page.locator("#gone")).to_be_visible()
    page.close()


# --- the command


def listening(pid: int) -> list[tuple[str, int]]:
    """The addresses a process listens on, from /proc."""
    inodes = {
        link.readlink().name[8:-1]
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if str(link.readlink()).startswith("socket:")
    }
    found = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                address, port = words[1].split(":")
                found.append((address, int(port, 16)))
    return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc to ask who listens")
def test_it_listens_on_the_loopback_alone_and_ends_quietly(root: Path) -> None:
    process, url = start(root)
    port = urlsplit(url).port
    assert listening(process.pid) == [("0100007F", port)]  # 127.0.0.1
    connection = http.client.HTTPConnection(HOST, port or 0, timeout=30)
    connection.request("GET", "/")
    assert connection.getresponse().status == 200
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_is_passed_over_or_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make(root)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        monkeypatch.setattr("core.dashboard.app.PORT", taken)
        server = bind(app, None)
        assert taken < server.port < taken + 100
        assert server.socket.getsockname()[0] == HOST
        server.server_close()
        with pytest.raises(UserError, match=f"port {taken} is taken"):
            bind(app, taken)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "--port 70000 is no port"),
        (["--port", "x"], "--port takes a whole number"),
        (["--host", "0.0.0.0"], "unknown option --host"),
        (["--root", __file__], "is a file"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str) -> None:
    command = [sys.executable, "-m", "core.cli", "dashboard", "--no-open", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_neither_torch_nor_wandb_is_imported() -> None:
    code = (
        "import sys, core.dashboard.app\n"
        "print(sorted({'torch', 'wandb', 'matplotlib', 'sklearn', 'gymnasium'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "[]\n"


def test_every_page_answers_for_an_empty_folder_and_for_nonsense(tmp_path: Path) -> None:
    app = make(tmp_path / "nowhere")
    assert app.server.test_client().get("/").status_code == 200  # type: ignore[attr-defined]
    watch = Watch(tmp_path / "nowhere")
    for page in PAGES:
        for query in ("", "?", "?run=../..&runs=<script>&page=x&sort=%00&metric=&x=1&x=2", "?" + "a" * 5000):
            assert json.dumps(page.layout(query, watch).to_plotly_json(), default=str)
