"""Which jobs the address of a page asks for."""

from __future__ import annotations

import time

import pytest
from starlette.datastructures import QueryParams

from headrace_coordinator.web.job_query import JOBS_SHOWN, read_job_query
from headrace_wire.messages.jobs import JobFilter


def test_a_bare_address_asks_for_the_newest_jobs() -> None:
    asked = read_job_query(QueryParams(""))
    assert asked.chosen == JobFilter(limit=JOBS_SHOWN)
    assert (asked.before, asked.first, asked.newer()) == (0, 1, "")


def test_an_address_names_states_and_words() -> None:
    asked = read_job_query(QueryParams("states=failed&states=running&text=+x+&service=primes"))
    assert asked.chosen.states == ("failed", "running")
    assert (asked.chosen.text, asked.chosen.service) == ("x", "primes")
    assert asked.stream()["states"] == ["failed", "running"]


def test_pages_go_back_and_forth_with_their_filter() -> None:
    first = read_job_query(QueryParams("states=failed&within=3600"))
    second = read_job_query(QueryParams(first.older(951).partition("?")[2]))
    third = read_job_query(QueryParams(second.older(901).partition("?")[2]))
    assert (third.before, third.first) == (901, 1 + 2 * JOBS_SHOWN)
    assert third.newer() == first.older(951)
    assert second.newer() == "/jobs?states=failed&within=3600"


@pytest.mark.parametrize(
    ("query", "is_past"),
    [("past=1", True), ("past=true", True), ("past=0", False), ("past=", False)],
)
def test_expired_jobs_are_asked_for_as_in_the_api(query: str, *, is_past: bool) -> None:
    asked = read_job_query(QueryParams(query))
    assert (asked.past, asked.wrong) == (is_past, "")


def test_a_span_of_time_begins_so_long_ago() -> None:
    since = read_job_query(QueryParams("within=3600")).chosen.since
    assert 3600 <= time.time() - since <= 3665


@pytest.mark.parametrize(
    "query",
    ["states=odd", f"text={'x' * 201}", "text=a%00b", "past=maybe", f"submitted_by={'x' * 65}"],
)
def test_what_cannot_be_is_told_and_not_asked_for(query: str) -> None:
    asked = read_job_query(QueryParams(query))
    assert asked.wrong
    assert asked.chosen == JobFilter(limit=JOBS_SHOWN)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("text=a%E2%80%AEb", "text must be up to 200 printable characters"),
        ("text=a%00b", "text must be up to 200 printable characters"),
        ("service=a%20b", "service must be up to 64 letters, digits and _ . : + -"),
    ],
)
def test_characters_that_are_not_taken_are_told_in_words(query: str, told: str) -> None:
    wrong = read_job_query(QueryParams(query)).wrong
    assert told in wrong
    assert "regex" not in wrong
    assert "\\" not in wrong


@pytest.mark.parametrize("query", ["trail=x.-1.0", "within=7", "trail=", "trail=" + "9" * 19])
def test_what_makes_no_sense_is_left_out(query: str) -> None:
    assert read_job_query(QueryParams(query)).before == 0
