"""Which keys can be kept from tasks, and what is said of the others."""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from headrace_services.permits import Permits
from headrace_wire.address import Address
from headrace_wire.encryption import Encryption
from headrace_wire.errors import UsageError
from headrace_worker import key_guard
from headrace_worker.key_guard import Guard, guard_key, plan_guard
from headrace_worker.machine import real_paths
from headrace_worker.settings import WorkerSettings


@pytest.fixture
def forbid(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let this user write in no folders but these, wherever the tests run."""

    def forbid(*writable: Path) -> None:
        def may(path: Any, mode: int, **_: Any) -> bool:
            return not mode & os.W_OK or Path(path) in writable

        monkeypatch.setattr("headrace_worker.key_guard.os.access", may)
        monkeypatch.setattr(real_paths, "may_change", lambda path: Path(path) in writable)

    monkeypatch.setattr(key_guard, "explain_missing", lambda: "")
    monkeypatch.setattr(key_guard, "find_aliases", lambda _: set[str]())
    return forbid


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    folder = tmp_path.resolve() / "keys"
    folder.mkdir()
    folder.chmod(0o755)  # whatever the umask
    (folder / "key").touch()
    return WorkerSettings(Address("127.0.0.1", 7333), folder / "key")


def test_a_key_in_a_folder_of_its_own_is_guarded(
    settings: WorkerSettings, forbid: Callable[..., None]
) -> None:
    forbid()
    assert plan_guard(settings) == Guard((str(settings.key_file.parent),))


def test_a_link_s_own_folder_is_closed_too(
    settings: WorkerSettings, forbid: Callable[..., None]
) -> None:
    forbid()
    folder = settings.key_file.parents[1] / "links"
    folder.mkdir()
    (folder / "key").symlink_to(settings.key_file)
    guard = plan_guard(replace(settings, key_file=folder / "key"))
    assert guard == Guard((str(settings.key_file.parent), str(folder)))


def test_other_mounts_of_the_key_are_closed_too(
    settings: WorkerSettings, forbid: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid()
    folder = settings.key_file.parent
    again = folder.with_name("again")
    again.mkdir()
    monkeypatch.setattr(
        key_guard, "find_aliases", lambda path: {path.replace(str(folder), str(again))}
    )
    assert plan_guard(settings).closed == (str(again), str(folder))


def test_a_folder_of_this_user_s_alone_may_be_writable(
    settings: WorkerSettings, forbid: Callable[..., None]
) -> None:
    forbid(settings.key_file.parent)
    assert "others may look into it" in plan_guard(settings).problem
    settings.key_file.parent.chmod(0o700)
    assert plan_guard(settings).closed


def test_of_secrets_that_a_service_is_handed_the_key_alone_is_closed(
    settings: WorkerSettings,
    forbid: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = settings.key_file.parent
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    caplog.set_level("INFO")
    forbid()
    assert guard_key(settings) == Guard((str(settings.key_file),))
    assert caplog.records[-1].message == f"tasks cannot read {settings.key_file}"
    forbid(folder)
    assert f"may write in {folder}" in plan_guard(settings).problem


def test_folders_above_must_not_be_writable(
    settings: WorkerSettings, forbid: Callable[..., None]
) -> None:
    above = settings.key_file.parents[1]
    forbid(above)
    problem = plan_guard(settings).problem
    assert problem.startswith(f"tasks can read the key {settings.key_file}, since user")
    assert f"may write in {above}: {'move it' if os.geteuid() else 'start the'}" in problem


def test_a_key_with_a_second_name_is_not_guarded(
    settings: WorkerSettings, forbid: Callable[..., None]
) -> None:
    forbid()
    os.link(settings.key_file, settings.key_file.with_name("second"))
    assert "hard link" in plan_guard(settings).problem


def test_what_tasks_need_must_not_lie_beside_the_key(
    settings: WorkerSettings, forbid: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid()
    folder = settings.key_file.parent
    beside = str(folder / "beside")
    for other, what in (
        (replace(settings, permits=Permits(paths=(beside,))), "a folder of modules lies in"),
        (replace(settings, permits=Permits(roots=(str(folder),))), f"{folder} is a shared folder"),
        (replace(settings, encryption=Encryption("on", beside, beside)), "a certificate lies in"),
    ):
        assert what in plan_guard(other).problem
    monkeypatch.chdir(folder)
    assert f"{folder} is the present folder" in plan_guard(settings).problem


def test_what_cannot_be_had_is_said_or_refused(
    settings: WorkerSettings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_guard, "explain_missing", lambda: "there is no Landlock")
    caplog.set_level("INFO")
    assert not guard_key(settings).closed
    (record,) = caplog.records
    assert record.message == (
        f"tasks can read the key {settings.key_file}, as there is no Landlock"
    )
    with pytest.raises(UsageError, match="--key-guard required: tasks can read the key"):
        guard_key(replace(settings, key_guard="required"))
    assert guard_key(replace(settings, key_guard="off")) == Guard()
    assert caplog.records == [record]


def test_a_python_in_which_tasks_could_leave_code_is_told_of(
    settings: WorkerSettings,
    forbid: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    modules = Path(sysconfig.get_path("purelib")).resolve()
    forbid(modules)
    guard = guard_key(settings)
    closed = str(settings.key_file.parent)
    assert guard.closed == (closed,)
    assert f"may write in {modules}, from where the worker's Python loads code" in guard.loophole
    assert caplog.records[-1].message.startswith(f"tasks cannot read what lies in {closed}; but ")
    with pytest.raises(UsageError, match="--key-guard required: tasks can leave code for the next"):
        guard_key(replace(settings, key_guard="required"))

    python = Path(sys.prefix).resolve()
    forbid(python.parent)
    assert f"may write in {python.parent}, above {python}, from" in plan_guard(settings).loophole

    home = settings.key_file.parents[1]
    monkeypatch.setattr(site, "ENABLE_USER_SITE", True)
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(home / "lib" / "python"))
    forbid()
    assert not plan_guard(settings).loophole
    forbid(home / "lib")
    (home / "lib").mkdir()
    assert "set PYTHONNOUSERSITE=1" in plan_guard(settings).loophole


def test_folders_of_a_program_s_own_modules_may_be_writable(
    settings: WorkerSettings, forbid: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = settings.key_file.parents[1] / "code"
    monkeypatch.syspath_prepend(str(code))
    forbid(code)
    assert plan_guard(settings).loophole
    assert not plan_guard(replace(settings, permits=Permits(paths=(str(code),)))).loophole


def test_slots_that_are_copies_of_the_worker_have_the_key(
    settings: WorkerSettings, forbid: Callable[..., None]
) -> None:
    forbid()
    problem = plan_guard(replace(settings, start_method="fork")).problem
    assert problem.endswith("copies of the worker, which has read it: use 'forkserver' or 'spawn'")
