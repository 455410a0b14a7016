"""The page for everybody: observers, screen readers, small screens, and without JavaScript."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from support.page_browser import open_page
from support.page_site import HOSTILE, SHOWN, find_url, log_in, submit_map

if TYPE_CHECKING:
    from pathlib import Path

    from support.commands import Site

# One browser and one cluster for all of them.
pytestmark = pytest.mark.xdist_group("page")


def test_an_observer_looks_and_cannot_act(browser: Browser, site: Site, failed_job: str) -> None:
    with open_page(browser) as page:
        log_in(site, page, "observer", f"/jobs/{failed_job}")
        expect(page.locator("#groups")).to_contain_text("LookupError")
        expect(page.locator("#groups")).to_contain_text(SHOWN)
        expect(page.locator("#log")).to_contain_text(SHOWN)
        assert not re.search("[\x1b\u202e]", page.inner_text("body"))
        expect(
            page.get_by_role("button", name=re.compile("Cancel|Retry|Delete|Replay"))
        ).to_have_count(0)
        answer = page.evaluate(
            """async (job) => {
                const token = document.querySelector('meta[name="csrf-token"]').content;
                const headers = { "X-CSRF-Token": token };
                const path = `/api/v1/jobs/${job}/cancel`;
                const answer = await fetch(path, { method: "POST", headers });
                return [answer.status, (await answer.json()).code];
            }""",
            failed_job,
        )
        assert answer == [403, "not_allowed"]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_every_page_can_be_used_by_everybody(
    browser: Browser, site: Site, failed_job: str, theme: Any, width: int
) -> None:
    options: dict[str, Any] = {
        "color_scheme": theme, "viewport": {"width": width, "height": 800}
    }  # fmt: skip
    with open_page(browser, **options) as page:
        page.goto(f"{find_url(site)}/login")
        check_page(page)
        log_in(site, page)
        worker = page.locator("#worker-rows a").first.get_attribute("href")
        paths = ["/", "/jobs", f"/jobs/{failed_job}"]
        if width > 1000:
            paths += [worker or "", "/workers", "/events"]
        for path in paths:
            page.goto(f"{find_url(site)}{path}")
            expect(page.locator("#live")).to_have_text("live")
            check_page(page)


def test_long_numbers_and_words_stay_in_their_place(browser: Browser, site: Site) -> None:
    job = submit_map(site, "long", "long words")
    site.shell.run("wait", job)
    with open_page(browser) as page:
        log_in(site, page, path=f"/jobs/{job}")
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            check_long_words(page, site, job)


def check_long_words(page: Page, site: Site, job: str) -> None:
    """Nothing on the pages that show a job of long words is wider than it should be."""
    page.goto(f"{find_url(site)}/jobs/{job}")
    expect(page.locator("#counters")).to_contain_text("e+30")
    expect(page.locator("#slowest")).to_contain_text("task 0")
    for table in ("#slowest", "#counters"):
        wide = "rows => { const box = rows.closest('.scroll');"
        wide += " return box.scrollWidth - box.clientWidth }"
        assert page.locator(table).evaluate(wide) <= 0, table
    for path, name in ((f"/jobs/{job}", "#groups .what"), ("/events", "#events .text")):
        if not page.url.endswith(path):
            page.goto(f"{find_url(site)}{path}")
        expect(page.locator("#live")).to_have_text("live")
        box = page.locator(name, has_text="xxxx").first.bounding_box()
        assert box
        assert box["height"] < 100
        check_width(page)


def check_page(page: Page) -> None:
    """Nothing is wrong for those who use a keyboard or a screen reader, or a small screen."""
    axe = cast("Any", Axe())
    found: list[dict[str, Any]] = axe.run(page).response["violations"]
    told = [(page.url, one["id"], one["nodes"][0]["html"]) for one in found]
    assert not told
    check_width(page)


def check_width(page: Page) -> None:
    """Nobody has to scroll sideways."""
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0, page.url


def test_without_javascript_all_can_be_read(browser: Browser, site: Site, failed_job: str) -> None:
    with open_page(browser, java_script_enabled=False) as page:
        log_in(site, page)
        expect(page.locator("#worker-rows")).to_contain_text("steady")
        page.goto(f"{find_url(site)}/jobs?text=onerror&states=failed")
        page.get_by_role("link", name=HOSTILE).click()
        expect(page.locator("#groups")).to_contain_text("raise LookupError(said)")
        expect(page.locator("#log")).to_contain_text(SHOWN)
        assert not re.search("[\x1b\u202e]", page.inner_text("body"))
        expect(page.get_by_role("button", name="Retry")).to_have_count(0)


def test_the_theme_is_kept(browser: Browser, site: Site, tmp_path: Path) -> None:
    with open_page(browser, color_scheme="light") as page:
        log_in(site, page, path="/workers")
        back = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(back)
        page.locator("#theme").click()
        page.locator("#theme").click()
        expect(page.locator("#theme")).to_have_text("Theme: dark")
        dark = page.evaluate(back)
        page.reload()
        assert light != dark == page.evaluate(back)
