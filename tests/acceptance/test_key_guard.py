"""A worker whose tasks cannot read its key, and lines about those whose tasks can."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import Pool
from headrace_wire.errors import TaskFailedError
from headrace_wire.system.landlock import explain_missing
from support import thieves
from support.commands import HEADRACE, Site, open_site, wait_until
from support.contained import KEY_FOLDER, contain, explain_uncontained
from support.places import REPOSITORY

KEY_FILE = str(KEY_FOLDER / "key")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site"), workers=0) as opened:
        yield opened


def list_words(site: Site, *options: str) -> list[str]:
    allowed = ("--path", str(REPOSITORY / "tests"), "--allow", "support.thieves")
    address = ("--coordinator", site.address, "--slots", "1", "--name", "guarded")
    return ["worker", *address, *allowed, *options]


@pytest.mark.skipif(bool(explain_missing()), reason=explain_missing())
@pytest.mark.skipif(bool(explain_uncontained()), reason=explain_uncontained())
def test_tasks_reach_their_worker_s_key_on_no_way_and_all_that_they_need(site: Site) -> None:
    words = list_words(site, "--key-file", KEY_FILE, "--key-guard", "required")
    home = site.shell.home
    (home / "scratch").mkdir()
    environment = {**site.shell.environment, "HEADRACE_KEY_FILE": KEY_FILE, "TMPDIR": str(home)}
    key = site.data / "key"
    with (home / "output").open("w") as output:  # not what the log is, a pipe
        worker = subprocess.Popen(
            contain(home, key, HEADRACE, *words),
            stdout=output, stderr=subprocess.PIPE, text=True, cwd=home, env=environment,
        )  # fmt: skip
    assert worker.stderr
    try:
        log = [worker.stderr.readline() for _ in range(2)]
        assert f"tasks cannot read what lies in {KEY_FOLDER}" in log[0], log
        with Pool(site.address, key_file=key) as pool:
            assert pool.apply(thieves.tell_worker) == worker.pid
            scratch = str(home / "scratch")
            assert pool.apply(thieves.find_ways, (KEY_FILE, worker.pid, scratch)) == []
            assert pool.apply(thieves.gives_up_privileges)
            assert pool.apply(thieves.list_own, (None,)) == [f"HEADRACE_KEY_FILE={KEY_FILE}"]
            places = (str(home), scratch, "/dev/shm")
            done = pool.apply(thieves.use_machine, places)
            assert done == ["text", "text", "text", "wave", "cat 0", "1", "x"]
            assert pool.map(thieves.share, ["list", "list"]) == [1, 2]
        large = ("x" * 3_000_000,)  # which comes from the worker's memory
        with Pool(site.address, key_file=key, initializer=thieves.keep, initargs=large) as pool:
            assert pool.apply(thieves.measure_kept) == len(large[0])
    finally:
        worker.send_signal(signal.SIGTERM)
        with worker.stderr:
            assert worker.stderr.read().count("Traceback") == 0
        assert worker.wait(30) == 0


@pytest.mark.skipif(bool(explain_missing()), reason=explain_missing())
@pytest.mark.skipif(bool(explain_uncontained()), reason=explain_uncontained())
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_code_that_a_task_leaves_in_its_worker_s_python_reads_no_key(
    site: Site, tmp_path: Path, start_method: str
) -> None:
    python = tmp_path / "python"
    venv.create(python, system_site_packages=True, symlinks=True)
    modules = next(python.glob("lib/python*/site-packages"))
    (modules / "headrace.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    )
    user_modules = tmp_path / "user" / modules.relative_to(python)
    note = tmp_path / "note"
    note.touch()
    words = list_words(site, "--key-file", KEY_FILE, "--start-method", start_method)
    environment = {
        **site.shell.environment, "HOME": str(tmp_path), "PYTHONUSERBASE": str(tmp_path / "user")
    }  # fmt: skip
    key = site.data / "key"
    worker = subprocess.Popen(
        contain(tmp_path, key, str(python / "bin" / "python"), "-m", "headrace", *words),
        stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert worker.stderr
    try:
        log = [worker.stderr.readline() for _ in range(2)]  # the second when it is registered
        assert f"tasks cannot read what lies in {KEY_FOLDER}; but tasks can leave code" in log[0]
        with Pool(site.address, key_file=key) as pool:
            places = [str(modules), str(user_modules)]
            agent = pool.apply(thieves.tell_worker)
            pool.apply(thieves.leave_code, (places, KEY_FILE, agent, str(note)))
            with pytest.raises(TaskFailedError, match="SIGKILL"):
                pool.apply(thieves.kill_slot)
            wait_until(lambda: note.read_text().count("\n") >= 8)
            assert pool.apply(thieves.tell_worker) == agent == worker.pid
    finally:
        worker.send_signal(signal.SIGTERM)
        with worker.stderr:
            assert worker.stderr.read().count("Traceback") == 0
        assert worker.wait(30) == 0
    names = ("left_behind_0", "left_behind_1", "sitecustomize", "usercustomize")
    assert {*note.read_text().splitlines()} == {
        f"{name} {what} PermissionError" for name in names for what in ("key", "mem")
    }


def test_a_worker_says_that_its_tasks_can_read_the_key(site: Site) -> None:
    worker = site.add_worker("--slots", "1")
    line = next(line for line in worker.lines if "tasks can read the key" in line)
    assert str(site.data / "key") in line
    advice = "/etc/headrace" if os.geteuid() else "as a user of its own"
    assert explain_missing() or advice in line


def test_a_worker_does_not_start_where_the_guard_cannot_be_had(site: Site) -> None:
    done = site.shell.run(*list_words(site, "--key-guard", "required"))
    assert done.code == 2
    assert "--key-guard required: tasks can read the key" in done.err


def test_a_worker_that_wants_no_guard_says_nothing_of_it(site: Site) -> None:
    worker = site.add_worker("--slots", "1", "--key-guard", "off")
    assert not [line for line in worker.lines if "tasks can" in line]
