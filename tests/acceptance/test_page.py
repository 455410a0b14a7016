"""The page in a browser: what people see of a cluster, and what they do there."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect

from headrace_coordinator.web.json_models import to_model
from headrace_coordinator.web.overview_page import condense
from headrace_coordinator.web.rows import job_fields, worker_fields
from support.commands import Site, open_site
from support.page_browser import PATIENCE_MS, open_browser, open_page
from support.page_figures import CASES, CROWD
from support.pictures import make_picture

expect.set_options(timeout=PATIENCE_MS)

# One browser and one cluster for all of them.
pytestmark = pytest.mark.xdist_group("page")

FUNCTIONS = """
import pathlib, time
import headrace

FOLDER = pathlib.Path({folder!r})

def step(number):
    while not (FOLDER / f"go-{{number}}").exists():
        time.sleep(0.02)
    print(f"step {{number}} is taken")
    if number == 3 and not (FOLDER / "mended").exists():
        raise ValueError("no luck with <b>3</b>")
    return number

def wait(number):
    while not (FOLDER / "never").exists():
        time.sleep(0.02)

def long(number):
    headrace.current_task().counter("c" * 64).add(1e30)
    if number == 0:
        return number
    raise ValueError("x" * 5000)

def fail(number):
    said = f"{{number}} \\x1b[2J\\u202etxt.exe"
    print(said)
    raise LookupError(said)
"""

#: What is shown of an error's text that would turn its line around.
SHOWN = r"\x1b[2J\u202etxt.exe"

#: A name that would be a script if it were not escaped.
HOSTILE = "<img src=x onerror=alert(1)>'\"&"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "steps.py").write_text(FUNCTIONS.format(folder=str(folder)))
    (folder / "numbers.jsonl").write_text("0\n1\n2\n3\n")
    settings = {"PYTHONPATH": str(folder)}
    options = ("--http", "127.0.0.1:0", "--lease", "2s")
    with open_site(folder, *options, workers=0, settings=settings) as opened:
        opened.add_worker("--slots", "2", "--name", "steady", "--allow", "steps")
        yield opened


def find_url(site: Site) -> str:
    line = site.coordinator.wait_for("metrics at")
    found = re.search(r"http://[^/]+", line)
    assert found
    return found[0]


def log_in(site: Site, page: Page, role: str = "client", path: str = "/") -> None:
    token = (site.data / f"{role}.key").read_text().strip()
    page.goto(f"{find_url(site)}{path}?token={token}")
    expect(page).not_to_have_url(re.compile("token"))


def submit_map(site: Site, function: str, name: str, *options: str) -> str:
    run = site.shell.run(
        "submit", "map", f"steps:{function}", site.shell.home / "numbers.jsonl",
        "--detach", "--name", name, *options,
    )  # fmt: skip
    assert run.code == 0, run.err
    return run.out.strip()


@pytest.fixture(scope="module")
def failed_job(site: Site) -> str:
    """A job of whose name and tasks nothing went well."""
    job = submit_map(site, "fail", HOSTILE)
    site.shell.run("wait", job)
    return job


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


def test_the_browser_writes_what_the_coordinator_writes(
    browser: Browser, site: Site, failed_job: str
) -> None:
    with open_page(browser) as page, site.open_cluster() as cluster:
        log_in(site, page, path="/events")
        said = import_module(page, "format.js", CASES, "([name, given]) => module[name](...given)")
        assert said == [text for _, _, text in CASES]
        ended = cluster.job(failed_job).status
        running = replace(ended, state="running", tasks=2 * ended.tasks, done_per_second=0.3)
        statuses = (ended, running, replace(running, done_per_second=None))
        given = [json.loads(msgspec.json.encode(to_model(status))) for status in statuses]
        fields = import_module(page, "rows.js", given, "module.jobFields")
        assert fields == [json.loads(json.dumps(job_fields(status))) for status in statuses]
        given = [[json.loads(msgspec.json.encode(to_model(one))) for one in CROWD]]
        [events] = import_module(page, "events.js", given, "(given) => module.condense(given, 20)")
        assert [event["text"] for event in events] == [event.text for event in condense(CROWD)]
        [worker] = [one for one in cluster.workers() if one.name == "steady"]
        given = [json.loads(msgspec.json.encode(to_model(worker)))]
        [fields] = import_module(page, "rows.js", given, "(given) => module.workerFields(given)")
        assert fields == json.loads(json.dumps(worker_fields(worker)))


def test_the_map_has_a_place_for_each_task(browser: Browser, site: Site) -> None:
    with open_page(browser) as page:
        log_in(site, page, path="/events")
        cases = [[tasks, 1100, 460, 14] for tasks in (1, 480, 500_000, 1_000_000, 10**9)]
        plans = import_module(page, "taskmap.js", cases, "(given) => module.layOut(...given)")
        for (tasks, width, height, _), plan in zip(cases, plans, strict=True):
            assert plan["each"] * plan["cells"] >= tasks
            assert plan["columns"] * plan["rows"] >= plan["cells"]
            assert plan["columns"] * plan["size"] <= width
            assert plan["rows"] * plan["size"] <= height
        runs = [
            {"start": 0, "stop": 5, "state": "done"},
            {"start": 5, "stop": 6, "state": "dead"},
            {"start": 6, "stop": 10, "state": "waiting"},
        ]
        [cells] = import_module(
            page, "taskmap.js", [runs],
            "(runs) => [...module.colourCells(runs, 0, { each: 3, cells: 4 })]"
            ".map((state) => module.STATES[state])",
        )  # fmt: skip
        assert cells == ["done", "dead", "waiting", "waiting"]
        [counts] = import_module(
            page, "taskmap.js", [runs], "(runs) => module.countStates(runs, 4, 8)"
        )
        assert counts == {"done": 1, "dead": 1, "waiting": 2}


def import_module(page: Page, name: str, cases: list[Any], act: str) -> list[Any]:
    """What a function says of each case, with the page's module of that name as ``module``."""
    found: list[Any] = page.evaluate(
        f"""async (cases) => {{
            const base = document.querySelector('script[type="module"]').src;
            const module = await import(new URL("./{name}", base));
            return cases.map({act});
        }}""",
        cases,
    )
    return found


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
