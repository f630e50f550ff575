"""The frame around the pages."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.core.dashboard.browser import Serve
from tests.core.run_folders import evaluations, write_run


def test_every_page_opens(tmp_path: Path, serve: Serve, page: Page) -> None:
    write_run(tmp_path, rows=evaluations(1.0, 2.0))
    page.goto(serve(tmp_path))
    for title in ("Overview", "Compare", "Run", "Tables"):
        page.get_by_role("link", name=title, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
