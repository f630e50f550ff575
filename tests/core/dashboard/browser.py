"""A real browser for the tests of the dashboard, and the dashboard in a process of its own."""

import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1280, "height": 900}

WAIT = 20_000  # milliseconds; a busy computer is no fault of a page
expect.set_options(timeout=WAIT)

Serve = Callable[[Path], str]


def executable() -> str | None:
    """The system's Chromium; None where there is none, for the one that playwright installs."""
    return next(filter(None, map(which, CHROMIUM)), None)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One Chromium for all tests: Debian's, or the one playwright installed."""
    try:
        opened = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
    except Error as error:
        pytest.skip(f"no browser to test with: {str(error).splitlines()[0]}")
    yield opened
    opened.close()


class Watched:
    """Everything a page must not do, as it does it."""

    def __init__(self, context: BrowserContext) -> None:
        self.faults: list[str] = []
        context.on("page", self._page)
        context.on("request", lambda request: self._request(request.url))

    def _page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", lambda said: said.type in ("error", "warning") and self._said(said.text))

    def _said(self, text: str) -> None:
        self.faults.append(f"console: {text}")

    def _request(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != "127.0.0.1":
            self.faults.append(f"foreign request: {url}")


@pytest.fixture
def watched(browser: Browser) -> Iterator[tuple[BrowserContext, Watched]]:
    """A fresh browser profile; the test fails when a page of it errs or asks anyone but 127.0.0.1."""
    context = browser.new_context(viewport=SIZE, locale="en-GB", color_scheme="light")  # type: ignore[arg-type]
    context.set_default_timeout(WAIT)
    seen = Watched(context)
    yield context, seen
    context.close()
    assert seen.faults == [], seen.faults


@pytest.fixture
def page(watched: tuple[BrowserContext, Watched]) -> Page:
    """An empty page of 1280×900."""
    return watched[0].new_page()


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """serve(root): the address of `lab dashboard` over that folder, one process for each folder."""
    running: dict[Path, tuple[subprocess.Popen[str], str]] = {}

    def started(root: Path) -> str:
        if root not in running:
            running[root] = start(root)
        return running[root][1]

    yield started
    for process, _ in running.values():
        process.kill()
        process.communicate()


def start(root: Path, *more: str, wait: float = 60) -> "tuple[subprocess.Popen[str], str]":
    """`lab dashboard` as a person starts it, on a free port, and the address it says."""
    command = [sys.executable, "-m", "core.cli", "dashboard", "--root", str(root), "--no-open", *more]
    command += [] if "--port" in more else ["--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that were begun in the background ignore Ctrl-C, and what they begin would, too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], wait)
    line = process.stdout.readline() if ready else ""
    found = re.search(r"http://127\.0\.0\.1:\d+/", line)
    if not found:
        process.kill()
        raise AssertionError(f"no address in {line!r}: {process.communicate()[1]}")
    return process, found[0]


def until(true: Callable[[], object], wait: float = 20) -> None:
    """Wait for what is not in the browser."""
    end = time.monotonic() + wait
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
