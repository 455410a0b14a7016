"""Commands of other programs, and what they are asked for."""

from __future__ import annotations

import errno
import shlex
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from headrace.scaling import commands, fleet
from headrace.scaling.commands import CommandFailedError, run_command
from headrace.scaling.decision import Candidate
from headrace.scaling.fleet import CommandFleet, ComposeFleet
from headrace_wire.errors import UsageError
from support.commands import wait_until

if TYPE_CHECKING:
    from pathlib import Path


def make_worker(name: str, host: str = "") -> Candidate:
    return Candidate(f"id-{name}", name, host or f"host-{name}", 4, 0, False, 0.0)


def test_what_a_command_prints_is_returned() -> None:
    assert run_command("echo out; echo err >&2", 30) == "out\n"
    assert run_command([sys.executable, "-c", "print(2)"], 30) == "2\n"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("echo 1; echo no quota left >&2; exit 3",
         "`echo 1; echo no quota left >&2; exit 3` failed (exit code 3): no quota left"),
        ("echo no such machine; exit 3",
         "`echo no such machine; exit 3` failed (exit code 3): no such machine"),
        ("exit 1", "`exit 1` failed (exit code 1)"),
        ("kill -9 $$", "`kill -9 $$` failed (signal 9)"),
        ("printf 'a\\033[31m' >&2; false",
         "`printf 'a\\033[31m' >&2; false` failed (exit code 1): a?[31m"),
        (["/no/such/program", "x"],
         "`/no/such/program x` cannot be started: No such file or directory"),
    ],
)  # fmt: skip
def test_a_command_that_fails_is_told_in_one_line(command: str | list[str], line: str) -> None:
    with pytest.raises(CommandFailedError) as caught:
        run_command(command, 30)
    assert str(caught.value) == line


def test_a_command_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    command = f"echo still busy >&2; (sleep 60; touch {shlex.quote(str(heard))}) & wait"
    begun = time.monotonic()
    with pytest.raises(
        CommandFailedError, match=r"did not end within 0\.3 s, and was killed: still"
    ):
        run_command(command, 0.3)
    assert time.monotonic() - begun < 20


def test_a_command_that_heeds_no_signal_is_killed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(commands, "END_SECONDS", 0.2)
    with pytest.raises(CommandFailedError, match="was killed"):
        run_command("trap '' TERM; while :; do sleep 0.1; done", 0.3)


def test_what_a_command_has_started_is_killed_as_well_if_it_heeds_no_signal(tmp_path: Path) -> None:
    left = tmp_path / "left"
    deaf = f"trap '' TERM; echo $$ >{shlex.quote(str(left))}; while :; do sleep 0.1; done"
    with pytest.raises(CommandFailedError, match="was killed"):
        run_command(f"sh -c {shlex.quote(deaf)} & wait", 2)
    process = int(left.read_text())
    wait_until(lambda: not psutil.pid_exists(process))


def test_a_command_for_whose_words_there_is_no_room_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(CommandFailedError, match="`true` cannot be started: No space left"):
        run_command("true", 30)


def test_a_command_that_leaves_something_running_is_not_waited_for(tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    left = f"while ! test -e {shlex.quote(str(stop))}; do sleep 0.1; done"
    try:
        assert run_command(f"({left}) & echo done", 30) == "done\n"
    finally:
        stop.touch()


def test_an_own_command_has_the_number_and_the_names_of_the_drained(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    names = "$HEADRACE_WORKERS/$HEADRACE_DRAINED/$HEADRACE_DRAINED_HOSTS/{other}"
    own = CommandFleet(f'echo {{workers}} "{names}" >{shlex.quote(str(seen))}', 30)
    own.resize(3, [make_worker("one"), make_worker("two")])
    assert seen.read_text() == "3 3/one\ntwo/host-one\nhost-two/{other}\n"
    own.prepare([make_worker("one")])
    own.resize(5, [])
    assert seen.read_text() == "5 5///{other}\n"


def test_workers_are_ours_by_their_names_or_hosts() -> None:
    workers = [make_worker("cloud-1"), make_worker("desk"), make_worker("x", "cloud-host")]
    chosen = CommandFleet("true", 30, "cloud-*").choose_ours(workers)
    assert [worker.name for worker in chosen] == ["cloud-1", "x"]


def test_with_compose_those_that_were_drained_are_removed_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[list[str]] = []

    def run(command: tuple[str, ...], seconds: float) -> str:
        assert seconds == 30
        ran.append(list(command))
        return "aaaaaaaaaaaa1111\nbbbbbbbbbbbb2222\n" if "ps" in command else ""

    monkeypatch.setattr(fleet, "run_command", run)
    compose = ComposeFleet("worker", 30)
    workers = [make_worker("a", "aaaaaaaaaaaa"), make_worker("other", "desk")]
    ours = compose.choose_ours(workers)
    assert [worker.name for worker in ours] == ["a"]
    compose.prepare(ours)
    compose.resize(1, ours)
    compose.resize(4, ())
    compose.resize(1, ())
    assert ran.pop()[-2] == "worker=2", "the two that run stay, whether they are connected or not"
    del ran[-2:]
    assert [" ".join(command) for command in ran] == [
        "docker compose ps --quiet worker",
        "docker update --restart no aaaaaaaaaaaa",
        "docker rm --force aaaaaaaaaaaa",
        "docker compose rm --force worker",
        "docker compose ps --quiet worker",
        "docker compose up --detach --no-deps --no-recreate --no-build --scale worker=4 worker",
    ]


def test_a_folder_without_a_service_of_compose_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(command: tuple[str, ...], seconds: float) -> str:
        assert (" ".join(command), seconds) == ("docker compose config --quiet crew", 30)
        raise CommandFailedError("`docker compose …` failed (exit code 1): no such service: crew")

    monkeypatch.setattr(fleet, "run_command", run)
    with pytest.raises(UsageError) as caught:
        ComposeFleet("crew", 30).check()
    assert str(caught.value) == (
        "Docker Compose has no service 'crew' to start workers of here: `docker compose …` failed "
        "(exit code 1): no such service: crew; go to the folder of its compose.yaml, name another "
        "service with --service, or say with --command what starts workers"
    )
