"""Folders of code that travel with a job."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_services.calls import CallOptions, plan_calls
from headrace_services.calls.service import CallsService
from headrace_services.calls.shipment import SHIPMENTS_KEPT, Shipments, pack_folder
from headrace_services.calls.shipped_file import FIRST_NUMBER
from headrace_services.calls.transport import open_result, seal_call
from headrace_services.permits import Permits, RefusedError
from headrace_services.service import TaskRunner
from headrace_wire.errors import UsageError


def make_folder(folder: Path, answer: object, name: str = "freight") -> Path:
    (folder / name / "parts").mkdir(parents=True)
    (folder / name / "__init__.py").write_text("from .parts.inner import answer\n")
    (folder / name / "parts" / "__init__.py").write_text("")
    (folder / name / "parts" / "inner.py").write_text(
        "count = 0\ndef answer():\n    global count\n    count += 1\n"
        f"    return {answer!r}, count\n"
    )
    (folder / name / "__pycache__").mkdir()
    (folder / name / "__pycache__" / "stale.pyc").write_bytes(b"stale")
    return folder


@pytest.fixture
def calls() -> Iterator[CallsService]:
    service = CallsService()
    service.permit(Permits(ship=True))
    path = list(sys.path)
    yield service
    if service._slot:
        service._slot._enter(None)
    assert sys.path == path
    assert "freight" not in sys.modules


def count_files() -> int:
    """Files that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def run(calls: CallsService, packed: bytes, function: str = "freight:answer") -> object:
    plan = plan_calls(function, [], 1, CallOptions(ship=packed))
    runner = calls.prepare("apply", plan.parameters)
    return open_result("msgpack", runner(0, seal_call("msgpack", (), {})))


def test_two_jobs_with_modules_of_one_name_each_see_their_own(
    calls: CallsService, tmp_path: Path
) -> None:
    first = pack_folder(make_folder(tmp_path / "a", "first"))
    second = pack_folder(make_folder(tmp_path / "b", "second"))
    assert run(calls, first) == ("first", 1)
    assert run(calls, second) == ("second", 1)
    assert run(calls, first) == ("first", 2), "its modules are as it left them"


def test_a_runner_that_is_kept_goes_on_with_its_own_modules(
    calls: CallsService, tmp_path: Path
) -> None:
    plans = [
        plan_calls(
            "freight:answer", [], 1, CallOptions(ship=pack_folder(make_folder(tmp_path / n, n)))
        )
        for n in "ab"
    ]
    runners = [calls.prepare("apply", plan.parameters) for plan in plans]
    call = seal_call("msgpack", (), {})
    answers = [open_result("msgpack", runners[turn % 2](0, call)) for turn in range(4)]
    assert answers == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_a_runner_that_is_kept_still_imports_after_many_other_shipments(
    calls: CallsService, tmp_path: Path
) -> None:
    def prepare(number: int) -> TaskRunner:
        folder = make_folder(tmp_path / str(number), number)
        (folder / "freight" / "late.py").write_text(
            "def answer():\n    from . import last\n    return last.ANSWER\n"
        )
        (folder / "freight" / "last.py").write_text(f"ANSWER = {number}\n")
        options = CallOptions(ship=pack_folder(folder))
        return calls.prepare("apply", plan_calls("freight.late:answer", [], 1, options).parameters)

    kept = prepare(0)
    for number in range(1, SHIPMENTS_KEPT + 2):
        prepare(number)
    assert open_result("msgpack", kept(0, seal_call("msgpack", (), {}))) == 0


def test_shipments_go_on_when_their_numbers_are_used_up(
    calls: CallsService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = FIRST_NUMBER + SHIPMENTS_KEPT + 3
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    monkeypatch.setattr(Shipments, "_next", FIRST_NUMBER)
    try:
        for number in range(3 * SHIPMENTS_KEPT):
            folder = make_folder(tmp_path / str(number), f"{number}" + number * " long")
            assert run(calls, pack_folder(folder)) == (f"{number}" + number * " long", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def test_what_did_not_come_along_stays_refused(calls: CallsService, tmp_path: Path) -> None:
    packed = pack_folder(make_folder(tmp_path, "x"))
    with pytest.raises(RefusedError, match="not allowed"):
        run(calls, packed, "os:getcwd")


def test_a_worker_that_takes_no_code_says_what_to_do(tmp_path: Path) -> None:
    service = CallsService()
    service.permit(Permits(allow=("freight",)))
    with pytest.raises(RefusedError, match="--allow-ship"):
        run(service, pack_folder(make_folder(tmp_path, "x")))


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing to run")
    with pytest.raises(UsageError, match="holds no Python modules"):
        pack_folder(tmp_path)


def test_a_folder_that_is_too_large_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path, "x")
    (tmp_path / "noise.bin").write_bytes(random.Random(7).randbytes(4 << 20))
    with pytest.raises(UsageError, match="too large to travel with a job"):
        pack_folder(tmp_path)


def test_what_is_no_shipment_is_refused(calls: CallsService) -> None:
    with pytest.raises(ValueError, match="cannot be opened"):
        run(calls, b"no zip")


def test_only_so_many_are_kept(tmp_path: Path) -> None:
    shipments = Shipments()
    files = count_files()
    for number in range(3 * SHIPMENTS_KEPT):
        packed = pack_folder(make_folder(tmp_path / str(number), number))
        shipments.enter(shipments.open(packed))
    assert len(shipments._kept) == SHIPMENTS_KEPT
    assert count_files() == files + SHIPMENTS_KEPT
    shipments.enter(None)


def test_a_service_takes_no_code_that_nobody_has_told_it_to() -> None:
    assert not CallsService()._permits.ship
