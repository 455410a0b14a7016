"""Results of jobs over HTTP: summaries and files."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import TYPE_CHECKING

import httpx
from msgspec.structs import replace

from headrace_services.calls.values import pack_value
from headrace_services.images.payload import PictureInput, PictureValue
from headrace_services.images.preview import Preview, make_preview
from headrace_services.images.service import IMAGES
from headrace_services.presentation import MOST_PICTURES
from headrace_wire.key_book import make_named_key
from support.commands import wait_until
from support.pictures import encode, make_picture
from support.web_results import RANGE, finish, finish_primes, look
from support.web_site import WebSite, open_site

if TYPE_CHECKING:
    from pathlib import Path


def test_primes_have_a_count_a_first_and_last_one_and_a_largest_gap(site: WebSite) -> None:
    finish_primes(site, "found")
    assert look(site, "found", "summary", "observer").json() == {
        "message": "",
        "download": "primes.txt",
        "facts": [
            ["Primes", "168"],
            ["First", "2"],
            ["Last", "997"],
            ["Largest gap", "20, from 887 to 907"],
        ],
        "pictures": [],
        "parameters": [["start", "0"], ["stop", "1,000"], ["span", "250"]],
        "ready": True,
    }
    answer = look(site, "found", "results")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="found-primes.txt"'
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    primes = [int(line) for line in answer.text.splitlines()]
    assert (len(primes), primes[:3], primes[-1]) == (168, [2, 3, 5], 997)


def test_a_job_may_have_a_slash_in_its_name(site: WebSite) -> None:
    finish_primes(site, "team/count", "count")
    assert look(site, "team%2Fcount", "summary").json()["facts"][0] == ["Primes", "168"]
    assert look(site, "team%2Fcount", "results").text == "168\n"


def test_a_summary_is_no_fetch_that_keeps_results_longer(site: WebSite) -> None:
    finish_primes(site, "old")
    ledger = site.coordinator._ledger
    job = ledger.observe(lambda queue, _: queue.state.find("old"))
    heard = job.heard
    for role in ("client", "observer", "admin"):
        assert look(site, "old", "summary", role).json()["ready"]
    assert job.heard == heard
    assert look(site, "old", "results").is_success
    assert job.heard > heard


def test_counts_are_added_up(site: WebSite) -> None:
    finish_primes(site, "counted", "count")
    facts = look(site, "counted", "summary").json()["facts"]
    assert facts == [["Primes", "168"], ["Range", "0 to 1,000"]]
    assert look(site, "counted", "results").text == "168\n"


def test_observers_do_not_get_the_results_themselves(site: WebSite) -> None:
    finish_primes(site, "private", "count")
    answer = look(site, "private", "results", "observer")
    assert answer.status_code == 403
    assert "observer" in answer.json()["detail"]


def test_a_job_that_is_on_its_way_has_neither_sum_nor_file(site: WebSite) -> None:
    finish_primes(site, "half", left=2)
    answer = look(site, "half", "summary").json()
    assert (answer["ready"], answer["message"]) == (
        False, "There is a summary when the job has ended.",
    )  # fmt: skip
    answer = look(site, "half", "results")
    assert (answer.status_code, "has not ended" in answer.json()["detail"]) == (409, True)
    site.jobs.cancel("half")
    assert "never ran" in look(site, "half", "summary").json()["message"]
    assert "never ran" in look(site, "half", "results").json()["detail"]


def test_results_that_were_delivered_are_not_there(site: WebSite) -> None:
    finish_primes(site, "gone", "count")
    site.results.acknowledge("gone")
    answer = look(site, "gone", "results")
    assert answer.status_code == 409
    assert "were delivered and dropped" in answer.json()["detail"]
    summary = look(site, "gone", "summary").json()
    assert (summary["ready"], summary["facts"]) == (False, [])
    assert "were delivered and dropped" in summary["message"]
    assert ["stop", "1,000"] in summary["parameters"]


def test_of_private_jobs_nobody_else_has_results(tmp_path: Path) -> None:
    with open_site(tmp_path, private_jobs=True) as site:
        finish_primes(site, "mine", "count")
        other = make_named_key(tmp_path / "key", "other", "client").key
        headers = {"Authorization": f"Bearer {other}"}
        with httpx.Client(base_url=f"{site.url}/api/v1", headers=headers) as program:
            wait_until(lambda: program.get("/info").is_success)  # the key is taken a moment later
            for what in ("summary", "results"):
                assert program.get(f"/jobs/mine/{what}").status_code == 404
        assert look(site, "mine", "results").text == "168\n"


def test_calls_are_lines_of_json(site: WebSite) -> None:
    values = [pack_value({"a": 1}), pack_value("é")]
    parameters = {"serializer": "msgpack", "function": "m:f"}
    finish(site, "mapped", "calls", "map", parameters, values)
    summary = look(site, "mapped", "summary").json()
    assert summary["facts"] == [["Values", "2"]]
    assert summary["parameters"] == [["serializer", "msgpack"]]
    lines = look(site, "mapped", "results").text.splitlines()
    assert [json.loads(line)["value"] for line in lines] == [{"a": 1}, "é"]


def test_pickled_values_are_opened_by_nobody(site: WebSite) -> None:
    finish(site, "pickled", "calls", "map", {"serializer": "cloudpickle"}, [b"\x80"])
    summary = look(site, "pickled", "summary").json()
    assert (summary["ready"], summary["download"]) == (False, "")
    assert look(site, "pickled", "results").status_code == 409


def test_pictures_are_seen_before_and_after(site: WebSite) -> None:
    parameters = {"output_dir": "/tmp/x", "size": [64, 64], "previews": True}
    run = IMAGES.prepare("thumbnail", parameters)
    picture = encode(make_picture(400, 300), "PNG")
    values: list[bytes] = []
    for index in (0, MOST_PICTURES):
        given = PictureInput("a.png", f"{index}.png", "data", picture)
        values.append(run(index, given.encode()))
    done = PictureValue.decode(values[0])
    names = [*(f"{index}.png" for index in range(1, MOST_PICTURES)), "0.png"]
    values[1:1] = [replace(done, output=name).encode() for name in names[:-1]]
    values.append(replace(done, output=names[-1]).encode())
    finish(site, "pictures", "images", "thumbnail", parameters, values)
    summary = look(site, "pictures", "summary").json()
    assert summary["facts"] == [["Pictures", str(MOST_PICTURES + 2)]]
    assert summary["download"] == "pictures.zip"
    assert len(summary["pictures"]) == MOST_PICTURES
    seen = look(site, "pictures", "summary", "observer").json()
    assert seen == {**summary, "pictures": []}
    first = summary["pictures"][0]
    assert (first["name"], first["size_before"], first["size_after"]) == (
        "0.png", [400, 300], [64, 48],
    )  # fmt: skip
    for name, width in (("before", 320), ("after", 64)):
        prefix, _, encoded = first[name].partition(",")
        assert prefix == "data:image/jpeg;base64"
        assert make_preview(base64.b64decode(encoded)).width == width
    assert PictureValue.decode(values[MOST_PICTURES]).before == Preview()
    answer = look(site, "pictures", "results")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = [f"{index}.png" for index in range(MOST_PICTURES + 1)]
        assert archive.namelist() == [*names, f"{MOST_PICTURES + 1}/0.png"]
        data = PictureValue.decode(values[3]).data
        assert archive.read("3.png") == data


def test_a_service_that_is_not_installed_is_told_so(site: WebSite) -> None:
    finish(site, "foreign", "unheard", "of", {}, [b""])
    answer = look(site, "foreign", "results")
    assert "there is no service 'unheard' installed here" in answer.json()["detail"]


def test_names_in_an_answer_are_fit_for_its_header(site: WebSite) -> None:
    finish(site, 'a"é b', "primes", "count", RANGE.to_parameters(), [b"1"] * RANGE.tasks)
    answer = look(site, "a%22%C3%A9%20b", "results")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a___b-count.txt"'
