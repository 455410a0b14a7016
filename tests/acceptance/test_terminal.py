"""What people see on a terminal: progress bars that leave all else alone, and tables that fit."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.commands import Shell, Site, open_site
from support.terminal import END, Terminal, open_terminal

#: A line with a bar and nothing else.
BAR = re.compile(
    r"[a-z: ]+ [━╸╺]+ +[\d,]+/[\d,]+ +\d+:\d\d:\d\d elapsed(, about \d+:\d\d:\d\d left)?"
)

#: What ``submit`` says when it begins to wait.
SUBMITTED = r"headrace: job [0-9a-f]{12} is submitted"

FUNCTIONS = """
import time

def double(number):
    return 2 * number

def halve(number):
    return 1 / (number - 3)

def wait(seconds):
    time.sleep(seconds)

def speak(number):
    print("this is", number)
    return number
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(FUNCTIONS)
    (tmp_path / "numbers.jsonl").write_text("1\n2\n3\n4\n")
    (tmp_path / "long.jsonl").write_text("0\n600\n")
    return tmp_path


@pytest.fixture
def site(folder: Path) -> Iterator[Site]:
    with open_site(folder, workers=0) as site:
        yield site


def add_worker(site: Site) -> None:
    site.add_worker("--slots", "1", "--allow", "shop", "--path", str(site.shell.home))


def check(screen: list[str], *wanted: str, bars: int = 1) -> None:
    """Look at a screen: these lines in this order, with so many bars before them or less."""
    seen = [line for line in screen if line]
    for line in seen:
        assert ("elapsed" not in line and "━" not in line) or BAR.fullmatch(line), seen
    found = [line for line in seen if BAR.fullmatch(line)]
    assert len(found) <= bars, seen
    others = [line for line in seen if not BAR.fullmatch(line)]
    assert len(others) == len(wanted), seen
    for line, pattern in zip(others, wanted, strict=True):
        assert re.fullmatch(pattern, line), seen


def find_command(terminal: Terminal) -> psutil.Process:
    """The process of the command in a terminal."""
    shell = psutil.Process(int(terminal.tmux("display-message", "-p", "#{pane_pid}")))
    (command,) = shell.children()
    return command


@pytest.mark.parametrize("width", [75, 160])
def test_a_bar_shows_how_far_a_job_is_and_what_its_times_mean(tmp_path: Path, width: int) -> None:
    with open_terminal(
        tmp_path, "run", "primes", "count", "0", "3e10", "--slots", "1", width=width
    ) as terminal:
        line, *_ = terminal.wait_for(" left")
        assert re.fullmatch(
            r"primes count ━+[╸╺]?━* +\d+/17 0:00:\d\d elapsed, about 0:0\d:\d\d left", line
        )
        screen = terminal.finish()
    assert re.fullmatch("primes count ━+ 17/17 0:00:\\d\\d elapsed", screen[0].rstrip())
    assert screen[1] == "1300005926"
    assert " ".join(screen[2:]).startswith("primes count: 17 tasks, 0 failed, ")


def test_failures_are_told_below_the_bar(folder: Path) -> None:
    with open_terminal(
        folder, "run", "map", "shop:halve", "numbers.jsonl", "-o", "halves.jsonl"
    ) as terminal:
        check(
            terminal.finish(),
            r"failed: .*: division by zero",
            r"calls shop:halve: 4 tasks, 1 failed, .*",
            f"{END} 1",
            bars=2,
        )


def test_a_terminal_that_obeys_no_escapes_gets_none(folder: Path) -> None:
    with open_terminal(
        folder, "run", "map", "shop:double", "numbers.jsonl", "-o", "out", settings={"TERM": "dumb"}
    ) as terminal:
        check(terminal.finish(), r"calls shop:double: 4 tasks, .*", f"{END} 0", bars=0)


def test_an_interruption_leaves_each_bar_once(folder: Path) -> None:
    with open_terminal(
        folder, "run", "map", "shop:wait", "long.jsonl", "-o", "out", width=80
    ) as terminal:
        terminal.wait_for("1/2")
        terminal.press("C-c")
        screen = terminal.finish()
    assert sum("calls shop:wait" in line for line in screen) == 1, screen


def test_results_on_the_terminal_come_after_the_bar(folder: Path) -> None:
    with open_terminal(folder, "run", "map", "shop:double", "numbers.jsonl") as terminal:
        results = [rf'\{{"index": {place}, "value": {2 * place + 2}\}}' for place in range(4)]
        check(terminal.finish(), *results, r"calls shop:double: 4 tasks, .*", f"{END} 0", bars=2)


def test_what_tasks_print_is_above_the_bar(folder: Path) -> None:
    words = ("run", "map", "shop:speak", "numbers.jsonl", "--logs", "--slots", "1", "-o", "out")
    with open_terminal(folder, *words) as terminal:
        screen = terminal.finish()
    said = [rf"2\d{{3}}-\S+ print   embedded task {n}: this is {n + 1}" for n in range(4)]
    check(screen, *said, r"calls shop:speak: 4 tasks, 0 failed, .*", rf"{END} 0", bars=2)
    assert screen[5].startswith("calls shop:speak ━"), screen


def test_a_bar_ends_before_it_is_told_of_an_interruption(folder: Path) -> None:
    with open_terminal(folder, "run", "map", "shop:wait", "long.jsonl", "-o", "out") as terminal:
        terminal.wait_for("1/2")
        terminal.press("C-c")
        check(
            terminal.finish(),
            "headrace: interrupted; nothing of this job is left",
            f"{END} 130",
            bars=2,
        )


def test_a_bar_ends_before_it_is_told_of_a_signal(folder: Path, site: Site) -> None:
    add_worker(site)
    settings = site.shell.settings
    with open_terminal(
        folder, "submit", "map", "shop:wait", "long.jsonl", "-o", "out", settings=settings
    ) as terminal:
        terminal.wait_for("1/2")
        find_command(terminal).send_signal(signal.SIGTERM)
        screen = terminal.finish()
    check(screen, SUBMITTED, r"headrace: job \w+ goes on\. .*", f"{END} 143", bars=2)
    (job,) = re.findall(r"headrace: job (\w+) goes on", "\n".join(screen))
    site.shell.run("cancel", job)  # else the worker would wait for it


def test_a_process_that_is_killed_leaves_the_cursor_visible(folder: Path) -> None:
    with open_terminal(folder, "run", "map", "shop:wait", "long.jsonl", "-o", "out") as terminal:
        terminal.wait_for("1/2")
        find_command(terminal).kill()
        terminal.finish()
        assert terminal.tmux("display-message", "-p", "#{cursor_flag}") == "1\n"


def test_a_bar_ends_before_it_is_told_of_output_that_cannot_be_written(folder: Path) -> None:
    with open_terminal(
        folder, "run", "map", "shop:double", "numbers.jsonl", "-o", "/dev/full"
    ) as terminal:
        *_, told, end = [line for line in terminal.finish() if line]
        assert told.startswith("headrace: cannot write /dev/full: ")
        assert end == f"{END} 1"


def test_what_a_job_waits_for_is_below_the_bar_and_gone_with_it(folder: Path, site: Site) -> None:
    with open_terminal(
        folder, "submit", "primes", "count", "0", "100", "--wait", "3s",
        settings=site.shell.settings,
    ) as terminal:  # fmt: skip
        screen = terminal.wait_for("waiting: ")
        assert BAR.fullmatch(screen[1])
        assert screen[2].startswith("waiting: no worker")
        over = r"headrace: job \w+ is not done after 3 s and .*"
        check(terminal.finish(), SUBMITTED, over, f"{END} 124")


def test_a_coordinator_that_goes_away_is_told_above_the_bar(folder: Path, site: Site) -> None:
    add_worker(site)
    (folder / "while.jsonl").write_text("0\n3\n")
    with open_terminal(
        folder, "submit", "map", "shop:wait", "while.jsonl", "-o", "out",
        settings=site.shell.settings,
    ) as terminal:  # fmt: skip
        terminal.wait_for("1/2")
        site.coordinator.stop()
        terminal.wait_for("trying to reconnect for 10 min")
        site.restart_coordinator()
        check(
            terminal.finish(),
            SUBMITTED,
            r"headrace: .*; trying to reconnect for 10 min",
            r"headrace: the coordinator answers again",
            r"calls shop:wait: 2 tasks, 0 failed, .*",
            f"{END} 0",
            bars=2,
        )


def test_a_job_that_is_left_alone_is_named_after_the_bar(folder: Path, site: Site) -> None:
    settings = site.shell.settings
    with open_terminal(
        folder, "submit", "map", "shop:double", "numbers.jsonl", "--detach", settings=settings
    ) as terminal:
        screen = terminal.finish()
    check(screen, r"\w{8,}", f"{END} 0")
    add_worker(site)
    job = next(line for line in screen if re.fullmatch(r"\w{8,}", line))
    with open_terminal(
        folder, "results", job, "-o", "doubled.jsonl", settings=settings
    ) as terminal:
        check(terminal.finish(), r"calls shop:double: 4 tasks, 0 failed, .*", f"{END} 0")


def test_a_backup_tells_of_its_end_after_the_bar(folder: Path, site: Site) -> None:
    assert site.shell.run("submit", "primes", "count", "0", "100", "--detach").code == 0
    with open_terminal(
        folder, "backup", "copy", "--data", site.data, settings=site.shell.settings
    ) as terminal:
        check(terminal.finish(), r"headrace: copy has 1 job, .*", f"{END} 0")


def test_a_table_fits_into_its_terminal(folder: Path, site: Site) -> None:
    add_worker(site)
    job = site.shell.run("submit", "primes", "count", "0", "100", "--name", "x" * 70, "--detach")
    with open_terminal(folder, "jobs", settings=site.shell.settings, width=80) as terminal:
        head, first, *others, end = [line for line in terminal.finish() if line]
    assert head.split() == ["ID", "STATE", "WORK", "DONE", "FAILED", "SUBMITTED", "NAME"]
    assert first.split()[0] == job.out.strip(), "whole, so that it can be copied"
    assert "".join(" ".join([first, *others]).split()).count("x") == 70
    assert end == f"{END} 0"


def test_what_is_piped_has_no_escapes_whatever_is_forced(folder: Path, site: Site) -> None:
    add_worker(site)
    forced = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm"}
    shell = Shell(folder, {**site.shell.settings, **forced})
    done = shell.run("submit", "map", "shop:halve", "numbers.jsonl")
    assert done.code == 1
    assert "elapsed" not in done.err
    for table, first in (("jobs", "ID  "), ("workers", "NAME  ")):
        shown = shell.run(table)
        heading, line = shown.out.splitlines()
        assert heading.startswith(first)
        assert line == line.rstrip()
        assert "\x1b" not in done.out + done.err + shown.out + shown.err
