"""The tutorial's programs and commands do what it says, on three machines that are folders here."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import HEADRACE, Process, Shell
from support.places import REPOSITORY

TUTORIAL = (REPOSITORY / "docs" / "tutorial.md").read_text()

#: What the tutorial does in order: a language, what is said of it, and the text.
BLOCKS: list[tuple[str, str, str]] = re.findall(
    r"^```(python|console)(?: (\S+))?\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL
)

#: Seconds that a program or command has.
COMMAND_SECONDS = 60


class Machines:
    """Three folders in which commands run, and what was started in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = ""
        self.started: list[Process] = []
        self.shells = {name: Shell(folder / name) for name in ("one", "two", "three")}
        for shell in self.shells.values():
            shell.home.mkdir()

    def write(self, about: str, text: str) -> None:
        """Save a program, or change its one line."""
        what, _, name = about.partition("=")
        file = self._folder / "one" / name
        if what == "replace":
            old = "from multiprocessing import Pool\n"
            assert file.read_text().count(old) == 1
            text = file.read_text().replace(old, text)
        file.write_text(text)

    def type(self, machine: str, line: str, shown: str) -> None:
        """Run one command, and compare what it prints with what is shown."""
        shell = self.shells[machine]
        words = shlex.split(line)
        if words[-1] == "&":
            self._start(shell, [word for word in words[1:-1] if not word.startswith("2>")])
        elif words[0] == "scp":
            for name in words[1:-1]:
                shutil.copy(shell.home / name, self._folder / words[-1].rstrip(":"))
        else:
            printed = self._run(shell, line)
            assert printed == shown or not shown
            if words[:2] == ["headrace", "workers"]:
                assert len(printed.splitlines()) == 3

    def run_program(self, name: str) -> str:
        """Run a program that the tutorial has no command for."""
        return self._run(self.shells["one"], f"python {name}")

    def _start(self, shell: Shell, words: list[str]) -> None:
        """Start a coordinator on a port that is free here, or a worker."""
        bound = ["127.0.0.1:0" if word == "0.0.0.0:7333" else word for word in words]
        options = ["--no-http"] if "--bind" in words else []
        process = Process(shell, *map(self._replace, bound), *options)
        self.started.append(process)
        if options:
            self._port = process.wait_for("queues at").rpartition(":")[2]
            assert process.wait_for("data in ").split("data in ")[1].startswith("cluster, ")
        else:
            process.wait_for("coordinator 127.0.0.1")

    def _run(self, shell: Shell, line: str) -> str:
        for program in shell.home.glob("*.py"):
            program.write_text(self._replace(program.read_text()))
        commands = {"python": shlex.quote(sys.executable), "headrace": shlex.quote(HEADRACE)}
        first, _, rest = self._replace(line).partition(" ")
        done = subprocess.run(
            f"{commands.get(first, first)} {rest}",
            check=False, shell=True, capture_output=True, text=True, timeout=COMMAND_SECONDS,
            cwd=shell.home, env=shell.environment,
        )  # fmt: skip
        assert done.returncode == 0, (line, done.stderr)
        return done.stdout

    def _replace(self, text: str) -> str:
        return text.replace("one:7333", f"127.0.0.1:{self._port}") if self._port else text


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    opened = Machines(tmp_path)
    try:
        yield opened
    finally:
        for process in reversed(opened.started):
            process.stop()


def test_the_tutorials_programs_and_commands_print_what_it_shows(machines: Machines) -> None:
    for language, about, text in BLOCKS:
        if language == "python":
            machines.write(about, text)
            continue
        for command in re.split(r"^(?=\w+\$ )", text, flags=re.MULTILINE)[1:]:
            line, _, shown = command.partition("\n")
            machine, _, typed = line.partition("$ ")
            machines.type(machine, typed, shown)
    results = (machines.shells["one"].home / "longest.jsonl").read_text()
    assert '"value": [353, 106239]' in results
    # All workers that get pickled functions have to allow them, as the tutorial says.
    for process in machines.started[1:3]:
        assert process.stop() == 0
    assert machines.run_program("lambdas.py") == "[7, 8, 11, 16, 23]\n"
