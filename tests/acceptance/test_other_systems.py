"""The project on macOS and Windows, as far as a stand-in on Linux can tell: see other_system."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_wire.key import ensure_key
from headrace_wire.system import portable
from support.commands import Process, Shell, Site, open_site, wait_until
from support.pictures import encode, make_picture
from support.places import REPOSITORY

SUPPORT = REPOSITORY / "tests" / "support"

#: Seconds that a program has.
PROGRAM_SECONDS = 90

# One process has the coordinator.
pytestmark = pytest.mark.xdist_group("other systems")

#: A system that has nothing but what all have.
PORTABLE = "linux"

every_system = pytest.mark.parametrize("system", ["darwin", "win32"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and a worker on Linux."""
    with open_site(tmp_path_factory.mktemp("site"), workers=0) as opened:
        allowed = ("builtins:abs", "builtins:len", "time:sleep")
        opened.add_worker("--slots", "1", *(word for one in allowed for word in ("--allow", one)))
        yield opened


def run(shell: Shell, program: Path, *, quiet: bool = True) -> list[str]:
    """Run a program to its end. Returns the lines that it prints. ``quiet``: it says no more."""
    done = subprocess.run(
        [sys.executable, program], cwd=shell.home, env=shell.environment,
        check=False, capture_output=True, text=True, timeout=PROGRAM_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (quiet and done.stderr)
    return done.stdout.splitlines()


def live_on(system: str, shell: Shell) -> Shell:
    """The same shell on another system."""
    settings = {"OTHER_SYSTEM": system, "PYTHONPATH": str(SUPPORT / "other_system")}
    if system == PORTABLE:
        settings = {portable.VARIABLE: "1"}
    return Shell(shell.home, {**shell.settings, **settings})


@every_system
def test_all_is_loaded_and_explained_and_calls_are_prepared(system: str, tmp_path: Path) -> None:
    (line,) = run(live_on(system, Shell(tmp_path)), SUPPORT / "other_system" / "visit.py")
    assert line.startswith(f"{system} ")


@pytest.mark.parametrize("system", ["darwin", "win32", PORTABLE])
def test_a_pool_has_its_own_cluster(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert run(live_on(system, Shell(tmp_path)), SUPPORT / "programs" / "on_any_system.py") == [
        f"{system} [3, 2, 1, 0, 1, 2] [3145728, 3145728]",
        "[0, 1, 4, 9] True",
        "[1048576, 1048577, 1048578]",
        "it vanished",
    ]


@every_system
def test_a_client_uses_a_cluster_elsewhere(system: str, site: Site) -> None:
    shell = live_on(system, site.shell)
    assert run(shell, SUPPORT / "programs" / "on_any_system.py") == [
        f"{system} [3, 2, 1, 0, 1, 2] [3145728, 3145728]",
        "1 worker",
    ]
    done = shell.run("submit", "primes", "count", "0", "1000")
    assert (done.code, done.out) == (0, "168\n"), done.err
    job = shell.run("submit", "primes", "count", "0", "100", "--detach").out.strip()
    assert shell.run("results", job).out == "25\n"
    (shell.home / "numbers.jsonl").write_text("-1\n-2\n")
    done = shell.run("submit", "map", "builtins:abs", "numbers.jsonl", "-o", "found.jsonl")
    assert done.code == 0, done.err
    found = (shell.home / "found.jsonl").read_text().splitlines()
    assert [json.loads(line)["value"] for line in found] == [1, 2]
    looking = (
        ("jobs",), ("job", job), ("logs", job), ("dead", "list", job), ("workers",), ("events",),
        ("top", "--once"), ("health",), ("shared", "list"),
    )  # fmt: skip
    for words in looking:
        done = shell.run(*words)
        assert done.code == 0, (words, done.err)
    assert shell.run("delete", job).code == 0


@every_system
def test_the_system_s_own_words_say_why_nobody_answers(system: str, tmp_path: Path) -> None:
    ensure_key(tmp_path / "key")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        settings = {
            "HEADRACE_COORDINATOR": address, "HEADRACE_KEY_FILE": str(tmp_path / "key"),
        }  # fmt: skip
        shell = live_on(system, Shell(tmp_path, settings))
        lines = run(shell, SUPPORT / "programs" / "unreachable.py")
    refused = os.strerror(errno.ECONNREFUSED)
    assert lines == [f"no coordinator answers at {address} ({refused})"] * 3


@every_system
def test_results_become_files(system: str, site: Site, tmp_path: Path) -> None:
    shell = live_on(system, Shell(tmp_path, site.shell.settings))
    (tmp_path / "photos" / "old").mkdir(parents=True)
    (tmp_path / "photos" / "old" / "one.png").write_bytes(encode(make_picture(), "PNG"))
    (tmp_path / "found").write_text("before")
    done = shell.run("submit", "primes", "find", "0", "10", "-o", "found")
    assert (done.code, (tmp_path / "found").read_text()) == (0, "2\n3\n5\n7\n"), done.err
    for _ in "ab":  # the second one replaces what the first one wrote
        done = shell.run("submit", "images", "grayscale", "--recursive", "photos", "grey")
        assert done.code == 0, done.err
    assert [one.name for one in (tmp_path / "grey" / "old").iterdir()] == ["one.png"]


def test_what_a_code_page_lacks_is_shown_as_python_writes_it(site: Site) -> None:
    shell = live_on("win32", site.shell)
    shell.settings["PYTHONIOENCODING"] = "cp1252"
    name = "naive \u65e5\u672c"
    assert shell.run("submit", "primes", "count", "0", "10", "--name", name).out == "4\n"
    assert "naive \\u65e5\\u672c" in shell.run("jobs").out
    assert "'\\u65e5'" in shell.run("results", "\u65e5").err


@pytest.mark.parametrize("system", ["win32", PORTABLE])
def test_ctrl_c_ends_each_wait(system: str, site: Site) -> None:
    """On Windows it wakes nobody who waits: each wait has to look up now and then."""
    shell = live_on(system, site.shell)
    ways = ("apply", "map", "imap", "get", "result", "exception", "queue", "values", "join")
    lines = run(shell, SUPPORT / "programs" / "interrupted.py", quiet=False)
    assert lines == [f"{way} interrupted" for way in ways]
    with shell.start("submit", "primes", "count", "0", "1e14", "--name", system) as command:
        wait_until(lambda: system in site.shell.run("jobs").out)
        command.send_signal(signal.SIGINT)
        _, said = command.communicate(timeout=PROGRAM_SECONDS)
    assert site.shell.run("cancel", site.shell.run("jobs", "--json").json()[0]["id"]).code == 0
    assert command.returncode == 130, said
    assert "Traceback" not in said


@pytest.mark.parametrize("system", ["darwin", PORTABLE])
def test_a_worker_works_drains_and_leaves(system: str, tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        options = ("--slots", "2", "--coordinator", f"127.0.0.1:{site.port}")
        worker = Process(live_on(system, site.shell), "worker", *options, "--memory-limit", "1GiB")
        site.workers.append(worker)
        done = site.shell.run("submit", "primes", "count", "0", "1000000", "--span", "250000")
        assert (done.code, done.out) == (0, "78498\n"), done.err
        assert '"spawn"' in site.shell.run("workers", "--json").out
        assert worker.stop() == 0, worker.lines
    assert any("--memory-limit has no effect" in line for line in worker.lines)
    assert any("finishing what runs" in line for line in worker.lines)
    assert any("as this system has no Landlock" in line for line in worker.lines)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("worker", "--start-method", "forkserver"), "which this system lacks"),
        (("worker", "--key-guard", "required"), "this system has no Landlock"),
        (("jobs", "--coordinator", "unix:/tmp/socket"), "this system has no Unix sockets"),
    ],
)
def test_what_a_system_lacks_is_refused_in_one_line(
    words: tuple[str, ...], why: str, tmp_path: Path
) -> None:
    key = ("--key-file", str(tmp_path / "key"))
    ensure_key(tmp_path / "key")
    done = live_on(PORTABLE, Shell(tmp_path)).run(*words, *key)
    assert done.code == 2
    assert why in done.err
    assert len(done.err.splitlines()) == 1
