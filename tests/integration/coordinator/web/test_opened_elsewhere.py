"""Results are opened by a process of their own, whatever is in them and whoever reads them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from headrace_coordinator.web.presenter import MOST_AT_ONCE
from headrace_services.calls.values import pack_value
from headrace_wire.encoding import pack
from headrace_wire.system.landlock import explain_missing
from support.commands import wait_until
from support.web_results import RANGE, finish, finish_primes, look
from support.web_site import PATIENCE_SECONDS, WebSite

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = b"<script>alert(1)</script>"

JPEG = b"\xff\xd8\xff\xe0 not much of a picture"


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
