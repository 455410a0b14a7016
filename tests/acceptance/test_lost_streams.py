"""Exit codes of commands whose standard error or terminal is full, has no reader, or is closed."""

from __future__ import annotations

import os
import pty
import select
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

import pytest

from support.commands import COMMAND_SECONDS, HEADRACE, Shell, Site, open_site, wait_until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def open_unread_pipe() -> IO[bytes]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb")


def open_full() -> IO[bytes]:
    return Path("/dev/full").open("wb")


def name_words(value: object) -> str | None:
    return " ".join(cast("list[str]", value)) if isinstance(value, list) else None


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=COMMAND_SECONDS)
    return process.returncode, out or ""


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("open_stream", [open_full, open_unread_pipe])
@pytest.mark.parametrize(
    ("words", "code", "out"),
    [
        (["submit", "primes", "count", "0", "9"], 0, "4\n"),
        (["job", "0123456789ab"], 2, ""),
        (["submit", "primes", "count", "0", "nine"], 2, ""),
        (["submit", "primes"], 2, ""),
        (["jobs", "--coordinator", "127.0.0.1:9"], 69, ""),
    ],
    ids=name_words,
)
def test_an_unwritable_standard_error_leaves_the_exit_code(
    site: Site,
    words: list[str],
    code: int,
    out: str,
    open_stream: Callable[[], IO[bytes]],
    unbuffered: str,
) -> None:
    shell = Shell(site.shell.home, {**site.shell.settings, "PYTHONUNBUFFERED": unbuffered})
    with open_stream() as stream:
        assert finish(shell.start(*words, stderr=stream)) == (code, out)


def test_an_unwritable_standard_error_leaves_the_result_of_a_run(tmp_path: Path) -> None:
    with open_full() as full:
        process = Shell(tmp_path).start("run", "primes", "count", "0", "9", stderr=full)
        assert finish(process) == (0, "4\n")


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["submit", "--help"], ["jobs", "--help"]], ids=" ".join
)
def test_a_help_that_nobody_reads_ends_as_by_a_closed_pipe(
    tmp_path: Path, words: list[str]
) -> None:
    process = Shell(tmp_path).start(*words, stdout=(unread := open_unread_pipe()))
    with unread:
        _, err = process.communicate(timeout=COMMAND_SECONDS)
    assert (process.returncode, err) == (141, "")


def test_a_reader_of_both_streams_that_goes_away_counts_as_that_of_results(site: Site) -> None:
    with open_unread_pipe() as unread:
        words = ("submit", "primes", "find", "0", "1e6")
        process = site.shell.start(*words, stdout=unread, stderr=unread)
        assert finish(process) == (141, "")


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (["submit", "primes", "count", "0", "1e14"], b"elapsed"),
        (["run", "primes", "count", "0", "1e14", "--slots", "1"], b"elapsed"),
        (["top"], b"JOBS"),
    ],
    ids=name_words,
)
def test_a_closed_terminal_ends_a_command_as_by_sighup(
    site: Site, words: list[str], sign: bytes
) -> None:
    settings = {**site.shell.environment, "TERM": "xterm-256color", "COLUMNS": "100"}
    process, terminal = pty.fork()
    if not process:
        os.execve(HEADRACE, ["headrace", *words], settings)
    seen = b""
    while sign.lower() not in seen.lower():
        assert select.select([terminal], [], [], COMMAND_SECONDS)[0], seen
        seen += os.read(terminal, 65536)
    os.close(terminal)
    ended: list[int] = []

    def look() -> bool:
        number, status = os.waitpid(process, os.WNOHANG)
        if number:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(ended)

    wait_until(look, COMMAND_SECONDS)
    assert ended == [129]
    for job in site.shell.run("jobs", "--state", "running", "--json").json():
        site.shell.run("delete", job["id"])
