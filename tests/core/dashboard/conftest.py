"""The browser's fixtures, for every test in this folder."""

from tests.core.dashboard.browser import browser, page, playwright, serve, watched

__all__ = ["browser", "page", "playwright", "serve", "watched"]
