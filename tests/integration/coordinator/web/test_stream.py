"""What a page is told while it is open."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import httpx
import pytest

from headrace_coordinator.web import calls, feeds, gate, hosting, stream
from support.commands import wait_until
from support.web_site import WebSite


@pytest.fixture(autouse=True)
def turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "TURN_SECONDS", 0.02)
    monkeypatch.setattr(stream, "RESTS_PER_TURN", 0.0)


class Told:
    """The events of a stream, one after another."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.iter_lines()

    def next(self, topic: str = "") -> Any:
        """The data of the next event, of this topic if one is named."""
        found = ""
        for line in self._lines:
            if line.startswith("event: "):
                found = line.removeprefix("event: ")
            elif line.startswith("data: ") and topic in ("", found):
                return json.loads(line.removeprefix("data: "))
        raise AssertionError("the stream has ended")

    def reads_to_its_end(self) -> bool:
        return [line for line in self._lines if line.startswith("event: ")] == []


@contextlib.contextmanager
def listen(browser: httpx.Client, query: str) -> Iterator[Told]:
    with browser.stream("GET", f"/api/v1/stream?{query}") as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Told(answer)


def test_a_page_is_told_at_once_and_when_something_changes(site: WebSite) -> None:
    site.submit("watched")
    with site.visit("observer") as browser, listen(browser, "topic=job&job=watched") as told:
        first = told.next("job")
        assert first["status"]["state"] == "queued"
        assert (first["progress"], first["running"]) == ([], [])
        site.jobs.cancel("watched")
        while told.next("job")["status"]["state"] != "cancelled":
            pass  # why it waited may have been told before


def test_topics_are_told_as_the_api_answers(site: WebSite) -> None:
    site.submit("listed", name="a name")
    query = "topic=overview&topic=timeline&topic=workers&topic=jobs&limit=1"
    with site.visit("client") as browser, listen(browser, query) as told:
        data = dict.fromkeys(("overview", "timeline", "workers", "jobs"))
        answers = [told.next() for _ in data]
        (job,) = next(one for one in answers if isinstance(one, list) and one)
        assert job["id"] == "listed"
        assert set(job) == set(browser.get("/api/v1/jobs/listed").json())
        overview = next(one for one in answers if isinstance(one, dict) and "busy" in one)
        assert set(overview) == set(browser.get("/api/v1/overview").json())


def test_events_and_log_lines_go_on_from_a_cursor(site: WebSite) -> None:
    site.submit("eventful")
    query = "topic=events&topic=logs&job=eventful"
    with site.visit("client") as browser, listen(browser, query) as told:
        page = told.next("events")
        assert [one["kind"] for one in page["events"]] == ["job-submitted"]
        site.jobs.cancel("eventful")
        later = told.next()
        if "events" not in later:
            assert later["complete"], "the log of a job that has ended is over"
            later = told.next("events")
        assert [one["kind"] for one in later["events"]] == ["job-cancelled"]
        assert later["cursor"] > page["cursor"]


def test_a_job_that_goes_is_a_problem_of_its_topic(site: WebSite) -> None:
    site.submit("going")
    with site.visit("client") as browser, listen(browser, "topic=job&job=going") as told:
        told.next("job")
        site.jobs.delete("going")
        problem = told.next("problem")
        assert (problem["topic"], problem["status"], problem["code"]) == ("job", 404, "unknown_job")


def test_what_many_see_is_asked_for_and_written_once(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    written: list[str] = []
    make, write = calls.Call.make, feeds.write_event

    async def count(call: calls.Call, *arguments: Any) -> Any:
        asked.append(call.method)
        return await make(call, *arguments)

    def note(topic: str, value: Any) -> bytes:
        written.append(topic)
        return write(topic, value)

    monkeypatch.setattr(calls.Call, "make", count)
    monkeypatch.setattr(feeds, "write_event", note)
    monkeypatch.setattr(stream, "TURN_SECONDS", 1000.0)
    monkeypatch.setattr(stream, "LONGEST_SECONDS", 1000.0)
    site.submit("shared")
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            browser = stack.enter_context(site.visit("observer"))
            asked.clear()
            told = stack.enter_context(listen(browser, "topic=job&topic=tasks&job=shared"))
            found = {name: told.next(name) for name in ("job", "tasks")}
            assert found["job"]["status"]["id"] == "shared"
            assert [run["state"] for run in found["tasks"]["runs"]] == ["waiting"]
    assert asked == [], "those who came later were told what the first one was"
    assert sorted(written) == ["job", "tasks"]


def test_the_map_of_the_tasks_comes_with_the_figures(site: WebSite) -> None:
    site.submit("mapped", tasks=5)
    query = "topic=job&topic=tasks&topic=times&job=mapped"
    with site.visit("observer") as browser, listen(browser, query) as told:
        found = {"job": told.next("job"), "tasks": told.next("tasks"), "times": told.next("times")}
        answer = browser.get("/api/v1/jobs/mapped/task_runs").json()
        assert found["tasks"] == answer
        assert found["times"]["times"] == browser.get("/api/v1/jobs/mapped/task_times").json()
        site.jobs.cancel("mapped")
        while told.next("job")["status"]["state"] != "cancelled":
            pass
        (run,) = told.next("tasks")["runs"]
        assert (run["state"], run["stop"]) == ("cancelled", 5)


def test_jobs_that_ended_are_a_topic_of_their_own(site: WebSite) -> None:
    site.submit("goes on")
    site.submit("ended")
    site.jobs.cancel("ended")
    with site.visit("observer") as browser, listen(browser, "topic=ended&topic=jobs") as told:
        assert told.next("ended")[0]["id"] == "ended", "the newest comes first"
        assert [job["id"] for job in told.next("jobs")][:2] == ["ended", "goes on"]


def test_a_topic_that_cannot_be_told_keeps_no_other_from_being_told(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = feeds.write_event

    def write_some(topic: str, value: Any) -> bytes:
        if topic == "timeline":
            raise MemoryError
        return write(topic, value)

    monkeypatch.setattr(feeds, "write_event", write_some)
    site.submit("told")
    query = "topic=timeline&topic=job&job=told"
    with site.visit("observer") as browser, listen(browser, query) as told:
        assert told.next()["status"]["state"] == "queued"
        site.jobs.cancel("told")
        while told.next()["status"]["state"] != "cancelled":
            pass


def test_a_busy_coordinator_is_asked_less_often(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[float] = []
    poll = gate.Gate.poll

    async def poll_slowly(self: gate.Gate, polls: Any) -> Any:
        turns.append(time.monotonic())
        found = await poll(self, polls)
        await asyncio.sleep(0.05)
        return found

    monkeypatch.setattr(gate.Gate, "poll", poll_slowly)
    monkeypatch.setattr(stream, "RESTS_PER_TURN", 10.0)
    with site.visit("observer") as browser, listen(browser, "topic=overview") as told:
        told.next("overview")  # a new topic is polled at once
        turns.clear()
        wait_until(lambda: len(turns) >= 3)
    pauses = [end - begin for begin, end in pairwise(turns)]
    assert min(pauses) > 0.25, "a turn that took 50 ms is followed by a rest"


def test_readers_at_one_place_of_the_events_wait_together(
    site: WebSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.submit("awaited")
    waiting = 0
    make = calls.Call.make

    async def count(call: calls.Call, *arguments: Any) -> Any:
        nonlocal waiting
        waiting += call.method == "events"
        try:
            return await make(call, *arguments)
        finally:
            waiting -= call.method == "events"

    monkeypatch.setattr(calls.Call, "make", count)
    with contextlib.ExitStack() as stack:
        told: list[Told] = []
        for _ in range(4):
            browser = stack.enter_context(site.visit("observer"))
            told.append(stack.enter_context(listen(browser, "topic=events&job=awaited")))
            told[-1].next("events")
            wait_until(lambda: waiting == 1)
        site.jobs.cancel("awaited")
        for one in told:
            assert [event["kind"] for event in one.next("events")["events"]] == ["job-cancelled"]


def test_a_stream_ends_with_its_session(site: WebSite) -> None:
    with site.visit("client") as browser:
        found = re.search(r'name="csrf-token" content="(\w+)"', browser.get("/").text)
        assert found
        with listen(browser, "topic=overview") as told:
            told.next("overview")
            browser.post("/logout", data={"csrf": found[1]})
            assert told.next("bye") == {"reason": "logged_out"}
            assert told.reads_to_its_end()


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("topic=odd", 400), ("topic=job", 400), ("topic=jobs&states=odd", 400),
     ("topic=overview&colour=red", 400), ("topic=job&job=%00", 400)],
)  # fmt: skip
def test_a_stream_of_nothing_is_refused(site: WebSite, query: str, status: int) -> None:
    with site.call() as program:
        answer = program.get(f"/stream?{query}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_streams_are_limited(site: WebSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_STREAMS_OF_KEY", 1)
    with site.visit("admin") as browser:
        with listen(browser, "topic=overview"):
            answer = browser.get("/api/v1/stream?topic=overview")
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        with site.visit("observer") as other, listen(other, "topic=overview") as told:
            told.next("overview")


def test_nothing_is_left_of_a_page_that_was_closed(site: WebSite) -> None:
    with site.visit("observer") as browser, listen(browser, "topic=overview&topic=events") as told:
        told.next("overview")
    http = site.coordinator._http
    assert http
    hub = cast("hosting.Site", http._site)._app.state.hub
    wait_until(lambda: not hub._streams and not hub._feeds)
