"""Jobs in a browser: watched, searched, read, run again, cancelled, deleted and downloaded."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from support.page_browser import open_page
from support.page_site import HOSTILE, find_url, log_in, submit_map
from support.pictures import make_picture

if TYPE_CHECKING:
    from support.commands import Site

# One browser and one cluster for all of them.
pytestmark = pytest.mark.xdist_group("page")


def test_a_job_is_watched_from_its_submission_to_its_retry(browser: Browser, site: Site) -> None:
    home = site.shell.home
    with open_page(browser) as page:
        log_in(site, page)
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("#worker-rows")).to_contain_text("steady")
        submit_map(site, "step", "four steps")
        row = page.locator("#active tr", has_text="four steps")
        expect(row).to_contain_text("0 of 4")
        row.evaluate("row => { row.dataset.mark = 'kept' }")
        (home / "go-0").touch()
        (home / "go-1").touch()
        expect(row).to_contain_text("2 of 4")
        expect(row.locator(".fill-done")).to_have_attribute("width", "50.000%")
        expect(row).to_have_attribute("data-mark", "kept")  # it is filled, and not made anew

        row.get_by_role("link").click()
        expect(page.locator("#log")).to_contain_text("step 1 is taken")
        (home / "go-2").touch()
        (home / "go-3").touch()
        expect(page.locator(".badge.strong")).to_have_text("failed")
        expect(page.locator("#groups .trace").first).to_contain_text("no luck with <b>3</b>")

        (home / "mended").touch()
        page.get_by_role("button", name="Retry", exact=True).click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("1 failed or cancelled task is run again")
        dialog.get_by_role("button", name="Retry").click()
        expect(page.locator("#said")).to_contain_text("3 of 4 tasks done")
        expect(page.locator(".badge.strong")).to_have_text("succeeded")
        expect(page.locator("#failures-panel")).to_be_hidden()
        expect(page.get_by_role("button", name="Retry", exact=True)).to_be_hidden()


def test_a_failed_task_is_read_and_run_again_by_itself(
    browser: Browser, site: Site, failed_job: str
) -> None:
    with open_page(browser) as page:
        log_in(site, page, path=f"/jobs/{failed_job}")
        expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
        expect(page.locator("#map-about")).to_have_text("one place each")
        page.locator("#map canvas").press("End")
        expect(page.locator("#map .where")).to_have_text("task 3: failed")
        page.locator("#map canvas").press("Enter")
        expect(page.locator("#task-title")).to_have_text("Task 3")
        expect(page.locator("#task-trace")).to_contain_text("raise LookupError(said)")
        page.keyboard.press("Escape")
        page.get_by_text("Each failed task").click()
        row = page.locator("#failed-rows tr").nth(2)
        row.get_by_role("button", name="Traceback").click()
        expect(page.locator("#task-trace")).to_contain_text("raise LookupError(said)")
        page.locator("#task-close").click()
        row.get_by_role("button", name="Replay").click()
        page.get_by_role("dialog").get_by_role("button", name="Replay").click()
        expect(page.locator("#said")).to_contain_text("Task 2 is run again")
        expect(page.locator(".badge.strong")).to_have_text("failed")


def test_a_job_is_cancelled_and_deleted_once_it_is_confirmed(browser: Browser, site: Site) -> None:
    with open_page(browser) as page:
        job = submit_map(site, "wait", "never")
        log_in(site, page, path=f"/jobs/{job}")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("dialog").get_by_role("button", name="Keep it as it is").click()
        expect(page.locator(".badge.strong")).to_have_text(re.compile("queued|running"))
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Cancel the job").click()
        expect(page.locator(".badge.strong")).to_have_text("cancelled")
        page.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page).to_have_url(f"{find_url(site)}/jobs")
        expect(page.locator("#said")).to_contain_text(f"Job {job} is deleted")
        expect(page.locator(f'#jobs tr[data-key="{job}"]')).to_have_count(0)


def test_the_page_of_a_job_that_is_deleted_elsewhere_says_so(browser: Browser, site: Site) -> None:
    job = submit_map(site, "wait", "deleted elsewhere")
    with open_page(browser) as page, site.open_cluster() as cluster:
        log_in(site, page, path=f"/jobs/{job}")
        expect(page.get_by_role("button", name="Cancel")).to_be_enabled()
        cluster.job(job).delete()
        expect(page.locator("#gone")).to_contain_text("This job was deleted")
        expect(page.locator(".badge.strong")).to_have_text("deleted")
        expect(page.locator("#live")).to_have_text("ended")
        for button in page.locator("#actions button").all():
            expect(button).to_be_disabled()


def test_results_are_shown_and_downloaded(browser: Browser, site: Site) -> None:
    photos = site.shell.home / "photos"
    photos.mkdir()
    make_picture().save(photos / "slope.png")
    submit = partial(site.shell.run, "submit")
    images = submit("images", "grayscale", "photos", "grey", "--detach").out.strip()
    primes = submit("primes", "find", "0", "100", "--detach").out.strip()
    with open_page(browser) as page:
        log_in(site, page, path=f"/jobs/{images}")
        figure = page.locator("#summary figure").first
        expect(figure.get_by_role("img")).to_have_count(2)
        for picture in figure.get_by_role("img").all():
            width = "image => image.decode().then(() => image.naturalWidth)"
            assert picture.evaluate(width) > 0
        page.goto(f"{find_url(site)}/jobs/{primes}")
        expect(page.locator("#summary")).to_contain_text("Largest gap8, from 89 to 97")
        expect(page.locator("#facts")).to_contain_text("Up to, without it100")
        expect(page.locator("#log-none")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download primes.txt").click()
        assert download.value.path().read_text().split()[:3] == ["2", "3", "5"]


def test_jobs_are_searched_and_filtered(browser: Browser, site: Site, failed_job: str) -> None:
    with open_page(browser) as page:
        log_in(site, page, path="/jobs")
        expect(page.locator("#live")).to_have_text("live")
        page.get_by_label("Search").fill("onerror")
        page.get_by_label("Search").press("Enter")
        expect(page).to_have_url(f"{find_url(site)}/jobs?text=onerror")
        expect(page.locator("#jobs tr")).to_have_attribute("data-key", failed_job)
        page.get_by_label("succeeded").check()
        expect(page).to_have_url(re.compile("states=succeeded"))
        expect(page.locator("#jobs-none")).to_be_visible()
        expect(page.get_by_label("succeeded")).to_be_focused()
        expect(page.get_by_label("Search")).to_have_value("onerror")
