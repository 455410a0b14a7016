"""Who comes in to the page, and what they may do there."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path

import httpx
import pytest

from headrace_coordinator.monitoring import request_rate
from headrace_coordinator.monitoring.audit import AUDIT_NAME
from headrace_coordinator.web import authentication
from headrace_wire.key_book import make_named_key, revoke_key
from headrace_wire.page_links import make_link_token
from headrace_wire.roles import Role
from support.commands import wait_until
from support.web_site import WebSite, open_site

FORGED = {"Origin": "http://elsewhere.example"}


def find_csrf(page: httpx.Response) -> str:
    found = re.search(r'name="csrf-token" content="(\w+)"', page.text)
    assert found
    return found[1]


def test_without_a_token_there_is_a_form(site: WebSite) -> None:
    with site.visit() as browser:
        sent_on = browser.get("/jobs?states=failed")
        assert sent_on.status_code == 303
        assert sent_on.headers["Location"] == "/login?next=/jobs%3Fstates%3Dfailed"
        form = browser.get(sent_on.headers["Location"])
        assert 'value="/jobs?states=failed"' in form.text


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/jobs?token=x", "/api/v1/nothing"])
def test_programs_without_a_token_are_told_so(site: WebSite, path: str) -> None:
    with site.visit() as browser:
        answer = browser.get(path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == 401


@pytest.mark.parametrize("role", ["admin", "client", "observer"])
def test_a_link_logs_in_and_the_token_is_gone_from_the_address(site: WebSite, role: Role) -> None:
    with site.visit() as browser:
        answer = browser.get(site.link(role))
        assert answer.status_code == 303
        assert answer.headers["Location"] == "/"
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly; SameSite=Strict" in cookie
        assert site.read_key(role) not in cookie
        assert f'data-role="{role}"' in browser.get("/").text


def test_the_rest_of_a_link_stays(site: WebSite) -> None:
    with site.visit() as browser:
        link = f"/jobs?states=failed&token={site.read_key('client')}&text=a+b"
        assert browser.get(link).headers["Location"] == "/jobs?states=failed&text=a+b"


def test_a_link_from_another_site_goes_on_by_itself(site: WebSite) -> None:
    """Browsers send a strict cookie only with what this site's own page loads."""
    with site.visit() as browser:
        answer = browser.get(site.link(), headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text


@pytest.mark.parametrize("token", ["", "x", "é", pytest.param("x" * 1000, id="long")])
def test_what_is_no_key_is_refused(site: WebSite, token: str) -> None:
    with site.visit() as browser:
        answer = browser.get("/", params={"token": token})
        assert answer.status_code == 401
        assert "not the text of a key" in answer.text
        assert "Set-Cookie" not in answer.headers


def test_the_key_of_a_worker_opens_nothing(site: WebSite) -> None:
    with site.visit() as browser:
        assert browser.get(site.link("worker")).status_code == 401
    with site.call("worker") as program:
        assert program.get("/jobs").status_code == 401


def test_the_form_takes_a_token_and_leads_back(site: WebSite) -> None:
    with site.visit() as browser:
        form = {"token": f" {site.read_key('observer')}\n", "next": "/jobs?text=x"}
        assert browser.post("/login", data=form, headers=FORGED).status_code == 403
        answer = browser.post("/login", data=form)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs?text=x")
        assert browser.get("/login").headers["Location"] == "/"


@pytest.mark.parametrize("path", ["//elsewhere", "/\\elsewhere", "https://elsewhere", "", "/\n"])
def test_nobody_is_led_elsewhere(site: WebSite, path: str) -> None:
    with site.visit() as browser:
        answer = browser.post("/login", data={"token": site.read_key("client"), "next": path})
    assert answer.headers["Location"] == "/"


def test_a_change_by_cookie_wants_the_token_of_its_page(site: WebSite) -> None:
    site.submit("forged")
    with site.visit("client") as browser:
        csrf = {"X-CSRF-Token": find_csrf(browser.get("/"))}
        for headers in ({}, {"X-CSRF-Token": "x"}, {**csrf, **FORGED},
                        {**csrf, "Sec-Fetch-Site": "cross-site"}):  # fmt: skip
            answer = browser.post("/api/v1/jobs/forged/cancel", headers=headers)
            assert answer.status_code == 403
        assert site.jobs.status("forged").state == "queued"
        answer = browser.post("/api/v1/jobs/forged/cancel", headers=csrf)
        assert answer.json()["state"] == "cancelled"
    with site.visit("client") as other:
        again = other.post("/api/v1/jobs/forged/retry", headers=csrf)
        assert again.status_code == 403, "the token of another session is worth nothing"


def test_an_observer_looks_and_changes_nothing(site: WebSite) -> None:
    site.submit("looked-at")
    with site.call("observer") as program:
        assert program.get("/jobs/looked-at").json()["state"] == "queued"
        answer = program.post("/jobs/looked-at/cancel")
        assert answer.status_code == 403
        assert answer.json()["code"] == "not_allowed"
        assert program.delete("/jobs/looked-at").status_code == 403
    assert site.jobs.status("looked-at").state == "queued"


def test_changes_are_in_the_audit_log(site: WebSite) -> None:
    site.submit("noted")
    with site.call("client") as program:
        assert program.delete("/jobs/noted").status_code == 204
    with site.call("observer") as program:
        program.post("/jobs/noted/retry")
    lines = (site.folder / AUDIT_NAME).read_text().splitlines()
    assert any(re.search(r"client \(client\) at 127\.0\.0\.1:\d+, by HTTP: delete noted$", line)
               for line in lines)  # fmt: skip
    assert any(line.endswith("by HTTP, was refused: retry") for line in lines)


def test_whoever_logs_out_is_out(site: WebSite) -> None:
    with site.visit("client") as browser:
        cookie = dict(browser.cookies)
        csrf = find_csrf(browser.get("/"))
        assert browser.post("/logout").status_code == 403
        answer = browser.post("/logout", data={"csrf": csrf})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
        assert not browser.cookies
        browser.cookies.update(cookie)
        assert browser.get("/").status_code == 303, "the cookie is worth nothing any more"


def test_answers_say_what_a_browser_may_do(site: WebSite) -> None:
    with site.visit("client") as browser:
        for path in ("/", "/login", "/nothing", "/api/v1/info", "/static/x/headrace.css"):
            headers = browser.get(path).headers
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "no-referrer"
        assert browser.get("/").headers["Cache-Control"] == "no-store"


def test_files_are_kept_for_ever_under_the_name_of_their_content(site: WebSite) -> None:
    with site.visit("client") as browser:
        found = re.search(r'href="(/static/\w+/headrace\.css)"', browser.get("/").text)
        assert found
        assert "immutable" in browser.get(found[1]).headers["Cache-Control"]
        old = browser.get("/static/0123456789ab/headrace.css")
        assert (old.status_code, old.headers["Cache-Control"]) == (200, "no-cache")
        for name in ("nothing.css", "../templates/base.html", "..%2fapp.py", "headrace.css/"):
            assert browser.get(f"/static/x/{name}").status_code == 404


def test_what_people_named_is_escaped(site: WebSite) -> None:
    site.submit("hostile", name="<script>alert(1)</script>\"'&")
    with site.visit("observer") as browser:
        text = browser.get("/").text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_link_for_looking_is_no_way_around_private_jobs(tmp_path: Path) -> None:
    with open_site(tmp_path, private_jobs=True) as private:
        private.submit("theirs")
        key = make_named_key(tmp_path / "key", "alice", "client").key
        headers = {"Authorization": f"Bearer {key}"}
        wait_until(lambda: httpx.get(f"{private.url}/api/v1/info", headers=headers).is_success)
        for owner, known in ((key, []), (private.read_key("admin"), ["theirs"])):
            token = make_link_token(owner.encode(), 60.0, looks_only=True)
            with httpx.Client(base_url=private.url) as browser:
                assert browser.get(f"/jobs?token={token}").status_code == 303
                assert [job["id"] for job in browser.get("/api/v1/jobs").json()] == known
                assert browser.get("/api/v1/info").json()["jobs"] == len(known)
                assert browser.get("/api/v1/jobs/theirs").status_code == (200 if known else 404)
                assert ">theirs<" in browser.get("/").text or not known
                refused = browser.post("/api/v1/jobs/theirs/cancel")
                assert refused.status_code == 403
            # It opens a page, and is no bearer's token.
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.get(f"{private.url}/api/v1/info", headers=headers)
            assert answer.status_code == 401


def test_a_link_on_another_site_finds_who_has_logged_in(site: WebSite) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    with site.visit() as browser:
        answer = browser.get("/jobs?text=%3Cb%3E", headers=followed)
        assert answer.status_code == 200
        assert '<meta http-equiv="refresh" content="0;url=/jobs?text=%3Cb%3E">' in answer.text
        own = {**followed, "Sec-Fetch-Site": "same-origin"}
        assert browser.get("/jobs", headers=own).status_code == 303
        elsewhere = httpx.get(f"{site.url}//elsewhere.example/jobs", headers=followed)
        assert '<meta http-equiv="refresh" content="0;url=/">' in elsewhere.text


def test_wrong_tokens_are_counted(site: WebSite) -> None:
    def count() -> float:
        text = httpx.get(f"{site.url}/metrics").text
        found = re.search(r'connections_refused_total{reason="token"} (.*)', text)
        assert found
        return float(found[1])

    with site.visit() as browser:
        browser.get("/?token=wrong")
        browser.get("/api/v1/info", headers={"Authorization": "Bearer wrong"})
    wait_until(lambda: count() >= 2)


def test_a_key_that_is_revoked_ends_its_sessions(tmp_path: Path) -> None:
    with open_site(tmp_path) as own:
        key = make_named_key(tmp_path / "key", "alice", "client").key
        with httpx.Client(base_url=own.url) as browser:
            wait_until(lambda: browser.get(f"/?token={key}").status_code == 303)
            assert ">alice" in browser.get("/").text
            with browser.stream("GET", "/api/v1/stream?topic=overview") as told:
                lines = told.iter_lines()
                assert any(line == "event: overview" for line in lines)
                revoke_key(tmp_path / "key", "alice")
                assert any(line == "event: bye" for line in lines)
            assert browser.get("/").status_code == 303
            assert browser.get(f"/?token={key}").status_code == 401


def test_private_jobs_are_private_here_too(tmp_path: Path) -> None:
    with open_site(tmp_path, private_jobs=True) as own:
        own.submit("theirs")
        key = make_named_key(tmp_path / "key", "alice", "client").key
        headers = {"Authorization": f"Bearer {key}"}
        with (
            httpx.Client(base_url=f"{own.url}/api/v1", headers=headers) as alice,
            own.call() as others,
            others.stream("GET", "/stream?topic=jobs&topic=events") as told,
        ):
            assert any("theirs" in line for line in told.iter_lines())
            wait_until(lambda: alice.get("/jobs").status_code == 200)
            assert alice.get("/jobs").json() == []
            over = alice.get("/overview").json()
            assert (over["waiting"], sum(over["jobs"].values())) == (0, 0)
            assert others.get("/overview").json()["waiting"] == 3
            assert alice.get("/jobs/theirs").status_code == 404
            assert alice.get("/events").json()["events"] == []
            assert alice.post("/jobs/theirs/cancel").status_code == 404
            assert alice.post("/workers/any/drain").status_code == 403, "workers are everybody's"
            kept = (own.folder / AUDIT_NAME).read_text().splitlines()
            assert any(line.endswith("by HTTP, was refused: drain") for line in kept)
            with alice.stream("GET", "/stream?topic=jobs&topic=job&job=theirs") as hers:
                lines = hers.iter_lines()
                seen = [next(line for line in lines if line.startswith("data:")) for _ in "ab"]
            assert "data: []" in seen
            assert any('"code":"unknown_job"' in line for line in seen)


def test_strangers_wait_for_their_turn_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "STRANGERS_PER_SECOND", 4)
    monkeypatch.setattr(request_rate, "BURST_SECONDS", 0.0)
    with open_site(tmp_path) as own, own.visit() as stranger, own.call() as program:
        begun = time.monotonic()
        for _ in range(3):
            stranger.get("/login")
        assert time.monotonic() - begun > 2 / 4
        begun = time.monotonic()
        for _ in range(8):
            assert program.get("/info").status_code == 200
        assert time.monotonic() - begun < 7 / 4


@pytest.mark.parametrize("what", ["job", "worker"])
def test_what_is_not_there_is_told_to_people_without_a_command(site: WebSite, what: str) -> None:
    with site.visit("observer") as browser:
        answer = browser.get(f"/{what}s/a%2Fb", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    text = html.unescape(answer.text)
    assert f"There is no {what} 'a/b'." in text
    assert "It may have" in text
    assert "`headrace" not in text
