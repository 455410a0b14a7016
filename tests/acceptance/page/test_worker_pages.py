"""Workers in a browser: cut off, back again, killed, and sent away."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from support.page_browser import open_page
from support.page_site import find_url, log_in

if TYPE_CHECKING:
    from support.commands import Site

# One browser and one cluster for all of them.
pytestmark = pytest.mark.xdist_group("page")


def test_a_worker_that_was_cut_off_is_back_and_one_that_is_killed_vanishes(
    browser: Browser, site: Site
) -> None:
    doomed = site.add_worker("--slots", "1", "--name", "doomed")
    with open_page(browser) as page:
        log_in(site, page, path="/workers")
        expect(page.locator("#workers")).to_contain_text("doomed")
        page.goto(
            f"{find_url(site)}{page.get_by_role('link', name='doomed').get_attribute('href')}"
        )
        expect(page.locator(".badge.strong")).to_have_text("idle")
        doomed.send(signal.SIGSTOP)  # it is cut off for longer than its leases last
        expect(page.locator("#gone")).to_be_visible()
        doomed.send(signal.SIGCONT)
        expect(page.locator("#gone")).to_be_hidden()
        expect(page.locator(".badge.strong")).to_have_text("idle")
        doomed.kill()
        expect(page.locator("#gone.bad")).to_contain_text("Nothing is heard of this worker")
        expect(page.locator("#slots-panel")).to_be_hidden()
        expect(page.locator(".badge.strong")).to_have_text("gone")
        expect(page.locator('#worker time[data-style="age"]')).to_have_count(0)
        expect(page.locator("#fact-heard")).not_to_contain_text("ago")
        page.goto(f"{find_url(site)}/workers")
        expect(page.locator("#workers")).not_to_contain_text("doomed")
        expect(page.locator("#workers")).to_contain_text("steady")


def test_a_worker_that_leaves_is_no_reason_for_alarm(browser: Browser, site: Site) -> None:
    site.add_worker("--slots", "1", "--name", "leaver")
    with open_page(browser) as page:
        log_in(site, page, path="/workers")
        page.get_by_role("link", name="leaver").click()
        expect(page.locator("#live")).to_have_text("live")
        page.get_by_role("button", name="Drain").click()
        page.get_by_role("dialog").get_by_role("button", name="Drain").click()
        expect(page.locator("#gone")).to_contain_text("This worker has gone.")
        expect(page.locator("#gone.bad")).to_have_count(0)
        expect(page.locator("#slots-panel")).to_be_hidden()
        expect(page.locator("#slots")).to_have_text("\N{EN DASH}")
