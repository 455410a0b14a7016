"""A headless Chromium that looks at the page."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

#: Where a Chromium may be, first the one that is named in the environment.
CANDIDATES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

#: Milliseconds for what the page is to show.
PATIENCE_MS = 60_000


def find_chromium() -> str:
    """The path of a Chromium; the test is skipped where there is none."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CANDIDATES)), None)
    if not found:
        pytest.skip("there is no chromium here to look at the page with")
    return found


@contextlib.contextmanager
def open_browser() -> Generator[Browser]:
    """A browser without a window."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(browser: Browser, **options: Any) -> Generator[Page]:
    """A page in a window of its own. What goes wrong in its scripts fails the test."""
    wrong: list[str] = []
    context: BrowserContext = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(f"a script said {dialog.message!r}"))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text)
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    try:
        yield page
    finally:
        context.close()
    assert not wrong, wrong
