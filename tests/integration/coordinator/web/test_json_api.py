"""The JSON API: what it answers, and what it says to what it does not take."""

from __future__ import annotations

import json

import pytest

from headrace_wire.messages.jobs import JobStatus
from support.web_site import WebSite


def test_a_job_has_the_fields_of_its_message_without_bytes(site: WebSite) -> None:
    site.submit("fields", name="a name")
    with site.call("observer") as program:
        found = program.get("/jobs/fields").json()
    assert set(found) == set(JobStatus.__struct_fields__) - {"parameters"}
    assert (found["id"], found["name"], found["tasks"]) == ("fields", "a name", 3)


def test_jobs_are_listed_with_a_filter(site: WebSite) -> None:
    for name in ("one", "two", "three"):
        site.submit(name, name="of this test")
    site.jobs.cancel("two")
    with site.call() as program:
        assert [one["id"] for one in program.get("/jobs", params={"limit": 2}).json()] == [
            "three",
            "two",
        ]
        found = program.get("/jobs", params={"states": ["queued", "cancelled"], "limit": 500})
        assert {"one", "two", "three"} <= {one["id"] for one in found.json()}
        only = program.get("/jobs?states=cancelled&service=primes&text=of+this").json()
        assert [one["id"] for one in only] == ["two"]
        before = found.json()[0]["number"]
        assert "three" not in {one["id"] for one in program.get(f"/jobs?before={before}").json()}


def test_failures_are_read_and_their_tasks_run_again(site: WebSite) -> None:
    site.submit("failing", tasks=1, priority=1)
    site.fail("failing", "it did not work", "Traceback <b>")
    with site.call() as program:
        (failure,) = program.get("/jobs/failing/failures").json()
        assert failure["message"] == "it did not work"
        assert failure["traceback"] == "Traceback <b>"
        assert "detail" not in failure
        assert program.get("/jobs/failing").json()["state"] == "failed"
        assert program.post("/jobs/failing/replay", json={"indices": [0]}).json()["waiting"] == 1
        site.fail("failing")
        for body, waiting in (({"indices": []}, 0), ({"indices": None}, 1)):
            answer = program.post("/jobs/failing/replay", json=body)
            assert (answer.status_code, answer.json()["waiting"]) == (200, waiting)
        site.fail("failing")
        assert program.post("/jobs/failing/replay").json()["waiting"] == 1
        site.jobs.delete("failing")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/jobs/nobody", 404, "unknown_job"),
        ("/jobs/nobody/failures", 404, "unknown_job"),
        ("/jobs/nobody/logs", 404, "unknown_job"),
        ("/jobs/" + "x" * 65, 400, "bounds"),
        ("/jobs/%00", 400, "bounds"),
        ("/jobs?states=odd", 400, "bounds"),
        ("/jobs?limit=-1", 400, "bounds"),
        ("/jobs?limit=99999999999999999999", 400, "bounds"),
        ("/jobs?limit=x", 400, "bounds"),
        ("/jobs?since=nan", 400, "bounds"),
        ("/jobs?colour=red", 400, "bounds"),
        ("/jobs?service=%ff", 400, "bounds"),
        ("/jobs?service=a+b", 400, "bounds"),
        ("/jobs?text=a%E2%80%AEb", 400, "bounds"),
        ("/nothing", 404, "not_found"),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_a_problem(
    site: WebSite, path: str, status: int, code: str
) -> None:
    with site.call() as program:
        answer = program.get(path)
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["detail"]
    assert "regex" not in problem["detail"]
    assert problem["type"] == "about:blank"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"indices": [-1]}', 400),
        (b'{"indices": ["x"]}', 400),
        (b'{"other": 1}', 400),
        (b"\xff", 400),
        pytest.param(b"[" * 100_000, 400, id="deep"),
        pytest.param(json.dumps({"indices": [0] * 200_000}).encode(), 400, id="many"),
        pytest.param(b" " * (3 << 20) + b"{}", 413, id="large"),
    ],
)
def test_bodies_that_make_no_sense_are_refused(site: WebSite, body: bytes, status: int) -> None:
    with site.call() as program:
        answer = program.post("/jobs/fields/replay", content=body)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_that_is_nested_too_deeply_is_told_so(site: WebSite) -> None:
    with site.call() as program:
        answer = program.post("/jobs/fields/replay", content=b"[" * 100_000)
    assert (answer.status_code, answer.json()["detail"]) == (400, "the body is nested too deeply")


def test_headers_that_are_too_long_are_refused_in_every_request_of_a_connection(
    site: WebSite,
) -> None:
    for is_first in (True, False):
        with site.call() as program:
            if not is_first:
                assert program.get("/info").status_code == 200
            answer = program.get("/info", headers={"X-Long": "x" * 17_000})
        assert answer.status_code == 431
        assert answer.json()["status"] == 431


def test_a_body_is_json(site: WebSite) -> None:
    with site.call() as program:
        assert program.post("/jobs/fields/replay", data={"indices": "0"}).status_code == 415


def test_another_method_than_there_is_gets_a_problem(site: WebSite) -> None:
    with site.call() as program:
        answer = program.put("/jobs", content=b"")
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert "GET" in answer.headers["Allow"]


def test_a_name_with_a_slash_is_one_part_of_the_path(site: WebSite) -> None:
    site.submit("a/b?c")
    with site.call() as program:
        assert program.get("/jobs/a%2Fb%3Fc").json()["id"] == "a/b?c"
        assert program.post("/jobs/a%2fb%3fc/cancel").json()["state"] == "cancelled"
        assert program.get("/jobs/a/b").status_code == 404


@pytest.mark.parametrize("many", [5000, 20_000])
def test_a_request_that_is_too_long_is_a_problem(site: WebSite, many: int) -> None:
    for is_first in (True, False):
        with site.call() as program:
            if not is_first:  # of its connection
                program.get("/info")
            answer = program.get(f"/jobs?text={'x' * many}")
        assert answer.status_code in {400, 414, 431}
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
