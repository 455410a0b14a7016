"""``headrace top`` on a real terminal: a tour with its keys, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.commands import Site, open_site
from support.terminal import END, Terminal, open_terminal

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("top")

FUNCTIONS = """
import pathlib

def halve(number):
    if not pathlib.Path(__file__).with_name("mended").exists():
        number / 0
    return number / 2
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("top")
    (folder / "shop.py").write_text(FUNCTIONS)
    (folder / "numbers.jsonl").write_text("1\n2\n")
    with open_site(folder, workers=0) as opened:
        words = ("--slots", "1", "--name", "mill", "--allow", "shop", "--path", str(folder))
        opened.add_worker(*words)
        yield opened


def find_command(terminal: Terminal) -> psutil.Process:
    """The process of the command in a terminal."""
    shell = psutil.Process(int(terminal.tmux("display-message", "-p", "#{pane_pid}")))
    (command,) = shell.children()
    return command


def test_a_failure_is_found_read_and_mended(site: Site, tmp_path: Path) -> None:
    home = site.shell.home
    done = site.shell.run("submit", "map", "shop:halve", "numbers.jsonl", "-o", "out")
    assert done.code == 1
    with open_terminal(tmp_path, "top", settings=site.shell.settings, width=80) as terminal:
        terminal.tmux("resize-window", "-x", "80", "-y", "24")
        screen = terminal.wait_for("failed")
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
