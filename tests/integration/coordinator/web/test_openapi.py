"""The description of the JSON API, and that the API does what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from headrace_coordinator.web.methods import TABLE
from headrace_coordinator.web.openapi import describe_api, translate_pattern
from headrace_wire.bounds import MAX_INTEGER, UNPRINTABLE
from support.web_site import WebSite

DESCRIPTION = json.loads(describe_api())

#: What waits for something to happen, which nothing here does.
WAITING = r"/(events|stream|logs)$"

#: How often each method of the API is called with what it takes, and with what it does not take.
EXAMPLES = 3


@pytest.fixture
def settled(site: WebSite) -> Iterator[WebSite]:
    """Jobs that are found by the values that are tried first."""
    site.submit("0", tasks=1, priority=1)
    site.fail("0")
    site.submit("00")
    yield site
    for job in ("0", "00"):
        site.jobs.delete(job)


def test_the_documentation_has_every_status_that_the_description_has() -> None:
    text = (Path(__file__).parents[4] / "docs" / "web.md").read_text()
    rows = re.findall(r"^\| ([45]\d\d(?:, [45]\d\d)*) \|", text, re.MULTILINE)
    told = {status for row in rows for status in row.split(", ")}
    operations = [one for path in DESCRIPTION["paths"].values() for one in path.values()]
    described = {status for one in operations for status in one["responses"]}
    assert told >= {status for status in described if "400" <= status <= "599"}
    assert told >= {"405", "414"}


@pytest.mark.any_python
def test_the_api_does_what_its_description_says(settled: WebSite) -> None:
    import schemathesis  # noqa: PLC0415 - it is large: only the process that runs this test has it
    from schemathesis.core.result import Ok  # noqa: PLC0415 - as before
    from schemathesis.generation import GenerationMode  # noqa: PLC0415 - as before

    headers = {"Authorization": f"Bearer {settled.read_key('client')}"}
    schema = schemathesis.openapi.from_dict(DESCRIPTION).exclude(path_regex=WAITING)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode == GenerationMode.NEGATIVE and not takes_anything(operation.definition.raw):
                continue

            @given(operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def check(case: Any) -> None:
                case.call_and_validate(base_url=f"{settled.url}/api/v1", headers=headers)

            check()


def takes_anything(operation: dict[str, Any]) -> bool:
    return bool(operation["parameters"] or "requestBody" in operation)


def test_everything_that_is_in_the_table_is_described(site: WebSite) -> None:
    with site.call("observer") as program:
        found = program.get("/openapi.json")
    assert found.headers["Content-Type"] == "application/json"
    assert found.json() == DESCRIPTION
    described = {(verb.upper(), path) for path, one in DESCRIPTION["paths"].items() for verb in one}
    others = {("GET", path) for path in ("/stream", "/jobs/{job}/summary", "/jobs/{job}/results")}
    assert described == {(verb, path) for verb, path, _ in TABLE} | others


def test_bounds_are_those_of_the_messages() -> None:
    status = DESCRIPTION["components"]["schemas"]["JobStatus"]["properties"]
    assert (status["priority"]["minimum"], status["priority"]["maximum"]) == (-100, 100)
    assert status["number"]["maximum"] == MAX_INTEGER
    assert status["name"]["maxLength"] == 200
    assert "parameters" not in status


def test_no_answer_has_bytes() -> None:
    def walk(value: Any) -> Iterator[Any]:
        yield value
        for one in value.values() if isinstance(value, dict) else value:
            if isinstance(one, dict | list):
                yield from walk(one)

    assert not any(isinstance(one, dict) and "contentEncoding" in one for one in walk(DESCRIPTION))


def test_patterns_are_as_javascript_writes_them() -> None:
    pattern = translate_pattern(rf"\A[^{UNPRINTABLE}]*\Z")
    assert (pattern[0], pattern[-1]) == ("^", "$")
    assert r"\U" not in pattern
    assert re.fullmatch(pattern, "a name é 名")
    for wrong in ("\x00", "a\nb", "\u202e", "\U000e0041"):
        assert not re.fullmatch(pattern, wrong)
