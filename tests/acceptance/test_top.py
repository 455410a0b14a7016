"""``headrace top`` on a real terminal: a tour with its keys, and how it ends."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.commands import Site, open_site, wait_until
from support.terminal import END, Terminal, open_terminal

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("top")

FUNCTIONS = """
import pathlib, time

def halve(number):
    time.sleep(0.05)
    if number < 2 and not pathlib.Path(__file__).with_name("mended").exists():
        number / 0
    return number / 2
"""

#: Tasks of the job, of which two fail at first.
TASKS = 60


#: How workers are started.
WORDS = ("--slots", "1", "--allow", "shop")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("top")
    (folder / "shop.py").write_text(FUNCTIONS)
    (folder / "numbers.jsonl").write_text("".join(f"{number}\n" for number in range(TASKS)))
    with open_site(folder, "--lease", "2s", workers=0) as opened:
        opened.add_worker(*WORDS, "--name", "mill", "--path", str(folder))
        yield opened


def find_command(terminal: Terminal) -> psutil.Process:
    """The process of the command in a terminal."""
    shell = psutil.Process(int(terminal.tmux("display-message", "-p", "#{pane_pid}")))
    (command,) = shell.children()
    return command


def watch_progress(terminal: Terminal) -> None:
    """See the part of a job that is done grow while it runs."""
    seen: set[str] = set()

    def look() -> bool:
        running = [line for line in terminal.read() if " running " in line]
        seen.update(re.findall(r"\d+ %", " ".join(running)))
        return len(seen) > 1

    wait_until(look)


def test_a_failure_is_found_read_and_mended(site: Site, tmp_path: Path) -> None:
    home = site.shell.home
    with open_terminal(tmp_path, "top", settings=site.shell.settings, width=80) as terminal:
        terminal.tmux("resize-window", "-x", "80", "-y", "24")
        terminal.wait_for("there is no job")
        submit = site.shell.start("submit", "map", "shop:halve", "numbers.jsonl", "-o", "out")
        watch_progress(terminal)
        screen = terminal.wait_for("failed")
        submit.communicate(timeout=30)
        assert submit.returncode == 1
        assert screen[0].startswith(f"headrace {site.open_cluster().engine.jobs.info().version}")
        assert all(len(line) <= 80 for line in screen)
        terminal.press("Enter")
        terminal.wait_for("Failures 2")
        terminal.press("Right")
        terminal.wait_for("ZeroDivisionError: division by zero")
        terminal.press("Enter")
        terminal.wait_for("number / 0")
        (home / "mended").touch()
        terminal.press("q")
        terminal.wait_for("Failures 2")
        terminal.press("r")
        terminal.wait_for("y: yes")
        terminal.press("y")
        terminal.wait_for("succeeded")
        terminal.press("q")
        terminal.wait_for("q Quit")
        terminal.press("w")
        terminal.wait_for("mill")
        brook = site.add_worker(*WORDS, "--name", "brook", "--path", str(home))
        terminal.wait_for("brook")
        brook.kill()
        wait_until(lambda: not any("brook" in line for line in terminal.read()))
        assert any("mill" in line for line in terminal.read())
        terminal.press("q")
        assert terminal.finish()[0] == f"{END} 0", "the screen is as it was before"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_the_terminal_as_it_was(
    site: Site, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with open_terminal(tmp_path, "top", settings=site.shell.settings) as terminal:
        terminal.wait_for("q Quit")
        if number == signal.SIGINT:
            terminal.press("C-c")
        else:
            find_command(terminal).send_signal(number)
        assert terminal.finish()[0] == f"{END} {code}"
        assert terminal.tmux("display-message", "-p", "#{cursor_flag}#{alternate_on}") == "10\n"


def test_a_key_that_may_not_look_ends_it(site: Site, tmp_path: Path) -> None:
    settings = {**site.shell.settings, "HEADRACE_KEY_FILE": str(site.data / "worker.key")}
    with open_terminal(tmp_path, "top", settings=settings) as terminal:
        screen = terminal.finish()
    assert f"{END} 77" in screen
    assert "has role worker" in " ".join(screen)
    once = site.shell.run("top", "--once", "--key-file", site.data / "worker.key")
    assert (once.code, once.err.count("\n")) == (77, 1)


def test_without_a_terminal_there_is_one_look(site: Site) -> None:
    shown = site.shell.run("top", "--once", "--interval", "100ms")
    assert shown.code == 0, shown.err
    assert "1 worker" in shown.out
    assert "mill" in shown.out
    assert "\x1b" not in shown.out + shown.err
    refused = site.shell.run("top")
    assert (refused.code, refused.out) == (2, "")
    assert "--once" in refused.err


def test_a_terminal_that_obeys_no_escapes_gets_one_line(site: Site, tmp_path: Path) -> None:
    with open_terminal(tmp_path, "top", settings={**site.shell.settings, "TERM": "dumb"}) as it:
        screen = it.finish()
    assert "--once" in screen[0]
    assert screen[1] == f"{END} 2"
