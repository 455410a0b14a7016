"""``headrace top`` on a coordinator: what is seen, what the keys do, and what goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.blocking import BlockingCaller, finish
from headrace.cli.top import view
from headrace.cli.top.plain import draw_plain
from headrace.cli.top.view import View
from headrace_wire.errors import UnknownJobError
from headrace_wire.messages.jobs import CANCELLED, QUEUED
from support.top_site import TopSite, open_top


@pytest.fixture
def site(tmp_path: Path) -> Iterator[TopSite]:
    made = TopSite(tmp_path)
    yield made
    made.stop()


def run(test: Coroutine[Any, Any, None]) -> None:
    """In a plain event loop: textual has no other."""
    asyncio.run(test)


def test_jobs_are_listed_as_they_come_and_go(site: TopSite) -> None:
    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("there is no job")
            site.submit("first", 1000, name="nightly")
            shown = await screen.wait_for("first")
            assert "primes count (nightly)" in shown
            shown = await screen.wait_for("jobs: 1 queued")
            assert all(len(line) <= 80 for line in shown.splitlines())
            site.jobs.delete("first")
            await screen.wait_for("there is no job")

    run(look())


def test_a_failure_is_read_and_its_tasks_run_again(site: TopSite) -> None:
    site.submit("broken", 1)
    site.fail_first("no such shop", log="opening")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("failed")
            await screen.press("enter")
            shown = await screen.wait_for("Failures 1")
            assert "job broken  failed" in shown
            await screen.press("right")
            assert "the first: ValueError: no such shop" in await screen.wait_for("no such shop")
            await screen.press("enter")
            assert "ValueError: no such shop" in await screen.wait_for("Traceback (most recent")
            await screen.press("escape")
            await screen.wait_until_gone("Traceback")
            await screen.press("right")
            await screen.wait_for("alpha task 0: opening")
            await screen.press("right")
            await screen.wait_for("results     kept")
            await screen.press("r")
            await screen.wait_for("Retry job broken (primes count)?")
            await screen.press("y")
            await screen.wait_for("job broken is queued")
            assert site.jobs.status("broken").state == QUEUED
            await screen.press("escape")
            await screen.wait_for("Workers")

    run(look())


def test_each_action_asks_and_only_y_does_it(site: TopSite) -> None:
    site.submit("long")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("long")
            await screen.press("c")
            await screen.wait_for("Cancel job long")
            for key in ("x", "enter", "n"):
                await screen.press(key)
            await screen.wait_for("nothing is changed")
            assert site.jobs.status("long").state == QUEUED
            await screen.answer("c")
            await screen.wait_for("job long is cancelled")
            assert site.jobs.status("long").state == CANCELLED
            await screen.answer("d")
            await screen.wait_for("job long is deleted")

    run(look())
    with pytest.raises(UnknownJobError):
        site.jobs.status("long")


def test_what_cannot_be_done_is_told(site: TopSite) -> None:
    site.submit("long")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("long")
            await screen.press("r")
            shown = await screen.wait_for("only a job that has ended can be retried")
            assert "y: yes" not in shown
            await screen.press("c")
            await screen.wait_for("y: yes")
            site.jobs.delete("long")
            await screen.press("y")
            await screen.wait_for("cancel: there is no job 'long'")

    run(look())


def test_nothing_is_asked_where_there_is_nothing_to_do(site: TopSite) -> None:
    site.submit("whole", 1)
    site.do_all()
    site.submit("ended")
    site.jobs.cancel("ended")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("succeeded")
            await screen.press("c")
            shown = await screen.wait_for("job ended has ended: it is cancelled, and there is")
            assert "y: yes" not in shown
            await screen.press("down", "r")
            await screen.wait_for("all of job whole is done: there is nothing to retry")
            await screen.press("enter")
            await screen.wait_for("job whole  succeeded")
            await screen.press("p")
            await screen.wait_for("no task of job whole has failed: nothing to replay")

    run(look())


def test_an_observer_sees_all_and_changes_nothing(site: TopSite) -> None:
    site.submit("watched")

    async def look() -> None:
        async with open_top(site, key="observer.key") as screen:
            await screen.wait_for("watched")
            await screen.answer("c")
            # The advice fills three lines, which are on the screen once it is laid out again.
            shown = await screen.wait_for("--key-file")
            assert "name another key file with --key-file" in " ".join(shown.split())
            await screen.press("enter")
            await screen.wait_for("job watched  queued")

    run(look())
    assert site.jobs.status("watched").state == QUEUED


def test_the_cursor_stays_on_its_job(site: TopSite) -> None:
    for number in range(5):
        site.submit(f"job-{number}")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("job-0")
            await screen.press("down", "down")  # the newest are first
            site.submit("newest")
            await screen.wait_for("newest")
            await screen.press("c")
            await screen.wait_for("Cancel job job-2")

    run(look())


def test_only_what_has_the_words_is_shown(site: TopSite) -> None:
    site.submit("one", name="red paint")
    site.submit("two", name="blue paint")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("two")
            await screen.press("f", *"red")
            assert "one" in await screen.wait_until_gone("two ")
            await screen.press("enter", "enter")
            await screen.wait_for("job one  queued")
            await screen.press("escape")
            await screen.wait_for("1 job with 'red'")
            await screen.press("escape")
            await screen.wait_for("two")

    run(look())


def test_a_job_that_is_too_old_for_the_list_is_found(
    site: TopSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "JOBS_SEEN", 2)
    for number in range(5):
        site.submit(f"job-{number}", name=f"shade {number}")
        site.jobs.cancel(f"job-{number}")

    async def look() -> None:
        async with open_top(site) as screen:
            shown = await screen.wait_for("2 of 5 jobs")
            assert "job-0" not in shown
            await screen.press("f", *"shade", "space", "0")
            await screen.wait_for("job-0")
            await screen.press(*(["backspace"] * 7), *"1", "space", *"cancelled")
            await screen.wait_for("job-1")

    run(look())


def test_workers_are_listed_and_opened(site: TopSite) -> None:
    site.submit("job", 1)
    site.fail_first("no")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("1 worker")
            await screen.press("w")
            shown = await screen.wait_for("alpha")
            assert "0 of 2" in shown
            assert "c Cancel" not in shown
            await screen.press("enter")
            await screen.wait_for("engine     primes: test")
            await screen.press("d")
            await screen.wait_for("Drain worker alpha?")
            await screen.press("y")
            await screen.wait_for("worker alpha takes nothing new")
            assert site.beat().drain
            await screen.press("escape", "w")
            await screen.wait_for("WORK")


def test_events_are_listed_and_lead_to_their_jobs(site: TopSite) -> None:
    async def look() -> None:
        async with open_top(site) as screen:
            await screen.press("e")
            await screen.wait_for("there is no event")
            site.submit("watched", name="nightly")
            await screen.wait_for("job-submitted   watched")
            site.jobs.cancel("watched")
            shown = await screen.wait_for("job-cancelled")
            assert shown.index("job-cancelled") < shown.index("job-submitted"), "newest first"
            await screen.press("enter")
            await screen.wait_for("job watched  cancelled")
            await screen.answer("d")
            await screen.wait_for("job watched is deleted")
            await screen.press("f", *"cancelled", "enter", "enter")
            await screen.wait_for("job watched is there no more")
            await screen.press("escape", "j")
            await screen.wait_for("there is no job")

    run(look())


def test_a_coordinator_may_go_away_and_come_back(site: TopSite) -> None:
    site.submit("patient")

    async def look() -> None:
        async with open_top(site) as screen:
            await screen.wait_for("patient")
            await asyncio.to_thread(site.stop)
            shown = await screen.wait_for("trying again")
            assert "patient" in shown, "what was seen stays"
            await screen.answer("c")
            await screen.wait_for("cancel: ")
            await asyncio.to_thread(site.start)
            await screen.wait_until_gone("trying again")
            await screen.answer("c")
            await screen.wait_for("job patient is cancelled")

    run(look())


def test_it_fits_any_terminal(site: TopSite) -> None:
    site.submit("wide", name="nightly")

    async def look() -> None:
        async with open_top(site, 150, 40) as screen:
            shown = await screen.wait_for("wide")
            assert "PROGRESS" in shown
            await screen.resize(60, 12)
            await screen.wait_until_gone("PROGRESS")
            await screen.resize(20, 5)
            await screen.resize(150, 40)
            assert "wide" in await screen.wait_for("PROGRESS")

    run(look())


def test_names_are_shown_as_they_are(site: TopSite) -> None:
    name = "[bold red]x[/] [link=x \\[x] ]]"
    site.submit("odd", 1, name=name)
    site.fail_first(f"{name}\x1b[31m", log=name)

    async def look() -> None:
        async with open_top(site, 190) as screen:
            await screen.wait_for(f"({name})")
            await screen.press("enter")
            await screen.wait_for(f"({name})")
            await screen.press("right")
            shown = await screen.wait_for(f"ValueError: {name}\\x1b[31m")
            assert "\x1b" not in shown
            await screen.press("enter")
            await screen.wait_for(f"  ValueError: {name}\\x1b[31m")
            await screen.press("escape", "right")
            await screen.wait_for(f"alpha task 0: {name}")
            await screen.press("d")
            await screen.wait_for(f"Delete job odd (primes count, {name})?")

    run(look())


def test_one_look_is_plain_text(site: TopSite) -> None:
    site.submit("broken", 1, name="näh")
    site.fail_first("no")
    seen = View(BlockingCaller(site.jobs), BlockingCaller(site.manager.results()))
    text = draw_plain(finish(seen.look()), "here")
    assert "jobs: 1 failed" in text
    assert "primes count (näh)" in text
    assert "alpha" in text
    assert text.replace("\n", "").isprintable()
