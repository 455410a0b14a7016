"""Results of jobs over HTTP: summaries and files, opened by a process of their own."""

from __future__ import annotations

import base64
import errno
import io
import itertools
import json
import os
import signal
import subprocess
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from headrace_coordinator.web.presenter import MOST_AT_ONCE
from headrace_services.calls.values import pack_value
from headrace_services.images.payload import PictureInput, PictureValue
from headrace_services.images.preview import Preview, make_preview
from headrace_services.images.service import IMAGES
from headrace_services.primes import PRIMES
from headrace_services.primes.partition import Partition
from headrace_wire.batch import pack_batch
from headrace_wire.encoding import pack
from headrace_wire.key_book import make_named_key
from headrace_wire.landlock import explain_missing
from headrace_wire.manager import QueueManager
from headrace_wire.messages.jobs import JobSpec
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.workers import WorkerInfo
from support.commands import wait_until
from support.pictures import encode, make_picture
from support.web_site import PATIENCE_SECONDS, WebSite, open_site

RANGE = Partition(0, 1000, 250)

_numbers = itertools.count(1)

SCRIPT = b"<script>alert(1)</script>"

JPEG = b"\xff\xd8\xff\xe0 not much of a picture"


def finish(
    site: WebSite,
    job: str,
    service: str,
    operation: str,
    parameters: dict[str, Any],
    values: Sequence[bytes],
    tasks: int = 0,
) -> None:
    """Submit a job, and report these values of its first tasks."""
    tasks = tasks or len(values)
    # What is left of a job has its turn last.
    priority = -100 if tasks > len(values) else 0
    packed = pack(parameters)
    site.jobs.submit(JobSpec(job, service, operation, packed, tasks, priority=priority))
    manager = QueueManager(site.coordinator.bound, site.read_key("worker").encode())
    jobs, results = manager.jobs(), manager.results()
    worker = f"w{next(_numbers)}"
    info = (worker, "name", "host", 1, 1, "", "spawn", "0", {service: "x"}, 1.0, 0, "3", "pool")
    jobs.register(WorkerInfo(*info), ())
    number = 0
    done = 0
    while done < len(values):
        grant = jobs.lease(LeaseRequest(worker, 1, len(values) - done, 5.0, ()))
        runs: list[DoneSpan] = []
        for lease in grant.leases:
            assert lease.job == job
            stop = min(lease.stop, len(values))
            batch = pack_batch(values[lease.start : stop])
            runs.append(DoneSpan(lease.id, job, lease.start, stop, batch, 0.0, 0.0, {}))
            done += stop - lease.start
        number += 1
        results.report(Report(worker, number, tuple(runs), (), (), ()))
    jobs.leave(worker)
    manager.close()


def finish_primes(site: WebSite, job: str, operation: str = "find", left: int = 0) -> None:
    parameters = RANGE.to_parameters()
    run = PRIMES.prepare(operation, parameters)
    values = [run(index, None) for index in range(RANGE.tasks - left)]
    finish(site, job, "primes", operation, parameters, values, RANGE.tasks)


def look(site: WebSite, job: str, what: str, role: Any = "client") -> httpx.Response:
    with site.call(role) as program:
        return program.get(f"/jobs/{job}/{what}")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that open results during a test."""
    found: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            found.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return found


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
    for index in (0, 24):
        given = PictureInput("a.png", f"{index}.png", "data", picture)
        values.append(run(index, given.encode()))
    done = PictureValue.decode(values[0])
    names = [*(f"{index}.png" for index in range(1, 24)), "0.png"]
    values[1:1] = [replace(done, output=name).encode() for name in names[:-1]]
    values.append(replace(done, output=names[-1]).encode())
    finish(site, "pictures", "images", "thumbnail", parameters, values)
    summary = look(site, "pictures", "summary").json()
    assert summary["facts"] == [["Pictures", "26"]]
    assert summary["download"] == "pictures.zip"
    assert len(summary["pictures"]) == 24
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
    assert PictureValue.decode(values[24]).before == Preview()
    answer = look(site, "pictures", "results")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*(f"{index}.png" for index in range(25)), "25/0.png"]
        data = PictureValue.decode(values[3]).data
        assert archive.read("3.png") == data


def test_a_service_that_is_not_installed_is_told_so(site: WebSite) -> None:
    finish(site, "foreign", "unheard", "of", {}, [b""])
    answer = look(site, "foreign", "results")
    assert "there is no service 'unheard' installed here" in answer.json()["detail"]


HOSTILE: dict[str, tuple[str, str, dict[str, Any], bytes]] = {
    "nothing": ("primes", "find", RANGE.to_parameters(), b"\xc1"),
    "a bomb": ("calls", "map", {"serializer": "msgpack"}, b"\xc1\x00\xdd\xff\xff\xff\xff"),
    "a script": (
        "images", "blur", {"output_dir": "/x"}, pack(["a.png", None, 1, 1, 0, [1, 1, SCRIPT], []])
    ),
    "pages": (
        "images", "blur", {"output_dir": "/x"},
        pack(["a.png", None, 2**63, 1, 0, [1, 1, JPEG], [1, 1, JPEG]])
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_values_are_an_error_of_their_own_job_alone(site: WebSite, kind: str) -> None:
    service, operation, parameters, value = HOSTILE[kind]
    job = f"hostile {kind}"
    finish(site, job, service, operation, parameters, [value], tasks=1)
    answer = look(site, job, "summary")
    assert b"script" not in answer.content
    if service == "calls":  # which opens nothing for a summary
        answer = look(site, job, "results")
        assert answer.status_code == 409
        assert "cannot be" in answer.json()["detail"]
    else:
        assert "cannot be" in (answer.json().get("message") or answer.json()["detail"])


def test_a_file_is_written_no_further_when_its_reader_goes(
    site: WebSite, opened: list[subprocess.Popen[bytes]]
) -> None:
    # More than sockets hold.
    values = [pack_value("x" * (1 << 20))] * 60
    finish(site, "long", "calls", "map", {"serializer": "msgpack"}, values)
    with site.call() as program, program.stream("GET", "/jobs/long/results") as answer:
        pieces = answer.iter_raw()  # to drop it would end the connection
        assert next(pieces).startswith(b'{"index": 0')
        (process,) = opened
        if (status := process.poll()) is not None:
            pytest.fail(f"it ended with {status}; {sum(map(len, pieces))} bytes came")
    assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL


SPY = """
import json, os, pathlib
from headrace_services.service import Gathered

class Spy:
    name, operations = "spy", ("look",)

    def gather(self, operation, parameters, values, target):
        tried = {
            "key": lambda: open(parameters["key"]).read(),
            "folder beside the key": lambda: os.mkdir(parameters["key"] + "-folder"),
            "file": lambda: pathlib.Path(parameters["file"]).write_text("x"),
            "coordinator": lambda: open("/proc/%d/environ" % os.getppid()).read(),
            "variables": lambda: [name for name in os.environ if "HEADRACE" in name][0],
        }
        found = []
        for name, look in tried.items():
            try:
                look()
            except Exception:
                continue
            found.append(name)
        target.stream.write(json.dumps([found, [len(value) for _, value in values]]).encode())
        return Gathered()

SPY = Spy()
"""


def test_whatever_opens_results_finds_no_key_and_writes_no_file(
    site: WebSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spy.py").write_text(SPY)
    entries = tmp_path / "spy-1.dist-info" / "entry_points.txt"
    entries.parent.mkdir()
    entries.write_text("[headrace.services]\nspy = spy:SPY\n")
    (entries.parent / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("HEADRACE_SECRET", "x")
    parameters = {"key": str(site.folder / "key"), "file": str(tmp_path / "file")}
    finish(site, "spied", "spy", "look", parameters, [b"abc", b""])
    assert look(site, "spied", "summary").json()["facts"] == [["Values", "2"]]
    found, sizes = look(site, "spied", "results").json()
    assert sizes == [3, 0]
    if not explain_missing():
        assert set(found) <= ({"coordinator"} if os.geteuid() == 0 else set())
    assert not {"file", "variables"} & set(found)


def test_the_process_that_opens_results_is_gone_afterwards(
    site: WebSite, opened: list[subprocess.Popen[bytes]]
) -> None:
    finish_primes(site, "last", "count")
    assert look(site, "last", "summary").status_code == 200
    (process,) = opened
    process.wait(PATIENCE_SECONDS)


def test_names_in_an_answer_are_fit_for_its_header(site: WebSite) -> None:
    finish(site, 'a"é b', "primes", "count", RANGE.to_parameters(), [b"1"] * RANGE.tasks)
    answer = look(site, "a%22%C3%A9%20b", "results")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a___b-count.txt"'


@pytest.mark.parametrize("what", ["summary", "results"])
def test_results_are_opened_again_when_the_system_has_room_for_a_process_again(
    site: WebSite, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    finish_primes(site, f"short-of-{what}", "count")

    def refuse(*_: object, **__: object) -> Any:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with monkeypatch.context() as short:
        short.setattr(subprocess, "Popen", refuse)
        short.setattr(threading.Thread, "start", refuse)
        for _ in range(2 * MOST_AT_ONCE):  # none keeps its place
            answer = look(site, f"short-of-{what}", what)
            assert answer.status_code == 503
            assert "cannot open results just now (Resource temporarily" in answer.json()["detail"]
    assert "168" in look(site, f"short-of-{what}", what).text


def test_results_are_opened_where_there_is_room_for_no_thread(
    site: WebSite, monkeypatch: pytest.MonkeyPatch, opened: list[subprocess.Popen[bytes]]
) -> None:
    finish_primes(site, "threadless", "count")

    def refuse(_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        assert look(site, "threadless", "summary").json()["ready"]
        assert look(site, "threadless", "results").text == "168\n"
        wait_until(lambda: [process.returncode is not None for process in opened] == [True, True])
