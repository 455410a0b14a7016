"""What the page counts of its own requests."""

from __future__ import annotations

import re

from support.commands import wait_until
from support.web_site import PATIENCE_SECONDS, WebSite


def read(site: WebSite) -> dict[str, float]:
    """The figures of HTTP, by their name with its labels."""
    with site.visit() as browser:
        text = browser.get("/metrics").text
    found = re.findall(r"^headrace_http_(\S+) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def count(purpose: str, status: str) -> str:
    return f'requests_total{{purpose="{purpose}",status="{status}"}}'


def test_requests_are_counted_by_what_they_are_for(site: WebSite) -> None:
    before = read(site)
    with site.call("observer") as program:
        program.get("/jobs")
        program.get("/jobs/nobody")
        program.get("/jobs/nobody/results")
    with site.visit("observer") as browser:
        browser.get("/jobs")
        browser.get("/static/x/nothing")

    def find_growth() -> dict[str, float]:
        now = read(site)
        assert now.keys() == before.keys()
        return {name: now[name] - value for name, value in before.items() if "total" in name}

    expected = {
        count("api", "2xx"): 1.0,
        count("api", "4xx"): 1.0,
        count("results", "4xx"): 1.0,
        count("page", "2xx"): 1.0,
        count("page", "3xx"): 1.0,  # the login by a link
        count("static", "4xx"): 1.0,
    }
    # Scrapes of one second are the same.
    wait_until(
        lambda: {one: more for one, more in find_growth().items() if more} == expected,
        PATIENCE_SECONDS,
    )
    assert read(site)['answer_seconds_count{purpose="api"}'] >= 2


def test_open_streams_are_told(site: WebSite) -> None:
    with site.call("observer") as program:
        with program.stream("GET", "/stream", params={"topic": "overview"}) as answer:
            pieces = answer.iter_raw()  # to drop it would end the stream
            next(pieces)
            wait_until(lambda: read(site)["streams"] == 1, PATIENCE_SECONDS)
        wait_until(lambda: read(site)["streams"] == 0, PATIENCE_SECONDS)
