"""The documentation says what is there, and its commands run."""

from __future__ import annotations

import functools
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from headrace.cli.entry import EXIT_BROKEN_PIPE, headrace
from headrace.cli.stopping import STOP_SIGNALS
from headrace_wire import errors
from headrace_wire.errors import HeadraceError
from support.commands import Finished, Process, Shell, open_site
from support.photographs import fetch
from support.places import REPOSITORY

#: Pages with commands, each a program of its own.
PAGES = {
    name: (REPOSITORY / name).read_text() for name in ("README.md", "docs/tour.md")
}  # fmt: skip
COMMANDS = (REPOSITORY / "docs" / "commands.md").read_text()
METRICS = (REPOSITORY / "docs" / "metrics.md").read_text()
MAKEFILE = (REPOSITORY / "Makefile").read_text()


def walk(
    command: click.Command, path: tuple[str, ...], parent: click.Context | None = None
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(command, info_name=path[-1] if path else "headrace", parent=parent)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child
            yield from walk(child, (*path, name), context)
    else:
        yield path, command


EVERY_COMMAND = list(walk(headrace, ()))


@pytest.mark.parametrize(("path", "command"), EVERY_COMMAND, ids=str)
def test_every_command_and_option_has_help_a_variable_and_a_line_in_the_documentation(
    path: tuple[str, ...], command: click.Command
) -> None:
    documented = " ".join(path[1:] if path[0] in ("run", "submit") else ("headrace", *path))
    assert f"`{documented}" in COMMANDS
    assert command.help
    for parameter in command.params:
        if not isinstance(parameter, click.Option) or parameter.hidden:
            continue
        assert parameter.help, parameter.name
        assert isinstance(parameter.envvar, str), parameter.name
        assert f"`{parameter.envvar}`" in COMMANDS
        for name in (*parameter.opts, *parameter.secondary_opts):
            assert re.search(rf"`{name}[` ]", COMMANDS), name


def test_no_documented_option_or_variable_is_gone() -> None:
    options = {
        name
        for _, command in EVERY_COMMAND
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, str(parameter.envvar))
    }
    documented = set(re.findall(r"`(--[a-z-]+|HEADRACE_[A-Z_]+)[` ]", COMMANDS))
    assert documented <= options


def test_every_exit_code_is_documented_and_no_other() -> None:
    of_signals = {128 + number for number in (*STOP_SIGNALS, signal.SIGPIPE)}
    of_errors = {kind.exit_code for kind in HeadraceError.by_code.values()}
    named = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    section = COMMANDS.partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    documented = [int(code) for code in re.findall(r"^\| ([0-9]+) \|", section, re.MULTILINE)]
    assert documented == sorted(named | of_errors | of_signals | {EXIT_BROKEN_PIPE})


def test_every_metric_is_documented_and_no_other(tmp_path: Path) -> None:
    with open_site(tmp_path, "--http", "127.0.0.1:0") as site:
        assert site.shell.run("submit", "primes", "count", "0", "1e7").code == 0
        url = site.coordinator.wait_for("metrics at").split("metrics at ")[1]
        with urllib.request.urlopen(url) as answer:
            text = answer.read().decode()
    every = list(text_string_to_metric_families(text))
    assert {"process_resident_memory_bytes", "python_info"} <= {family.name for family in every}
    families = [family for family in every if family.name.startswith("headrace_")]
    served = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    documented = set(re.findall(r"^\| `(headrace_\w+)`", METRICS, re.MULTILINE))
    assert served == documented
    labels = {label for family in families for one in family.samples for label in one.labels}
    allowed = {
        "service",
        "operation",
        "outcome",
        "reason",
        "state",
        "worker",
        "version",
        "kind",
        "le",
    }
    allowed |= {"how", "key", "certificate"}  # how a worker goes; which key or certificate
    allowed |= {"host", "python", "engine"}  # of a worker
    allowed |= {"purpose", "status"}  # of requests of the page and the JSON API: a few of each
    allowed.add("name")  # of a counter of tasks' own: 1,000 of them
    assert labels <= allowed
    done = next(
        one.value
        for family in families
        for one in family.samples
        if one.name == "headrace_tasks_total"
    )
    timed = next(
        one.value
        for family in families
        for one in family.samples
        if one.name == "headrace_task_seconds_count"
    )
    assert done == timed > 0


def list_commands(program: str) -> list[str]:
    """The commands of the pages that begin so, without that; there are some."""
    blocks = re.findall(r"```console\n(.*?)```", "\n".join(PAGES.values()), re.DOTALL)
    start = f"$ {program} "
    lines = [line for block in blocks for line in block.splitlines() if line.startswith(start)]
    assert lines, f"no page has a command {program}"
    return [line.removeprefix(start) for line in lines]


def test_the_documented_make_targets_exist() -> None:
    for command in list_commands("make"):
        assert re.search(rf"^{command.split()[0]}:", MAKEFILE, re.MULTILINE), command


def test_the_documented_docker_commands_are_those_that_the_compose_test_runs() -> None:
    sources = [
        REPOSITORY / "tests" / "support" / "compose_project.py",
        *(REPOSITORY / "tests" / "acceptance" / "compose").glob("*.py"),
    ]
    tested = "".join(source.read_text() for source in sources)
    for command in list_commands("docker compose"):
        assert f'"{command.split()[0]}"' in tested, command


def count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with real photographs."""
    folder = tmp_path_factory.mktemp("here") / ".demo" / "photographs"
    fetch(folder)
    return folder


@pytest.fixture(scope="module")
def run_once(photographs: Path) -> Callable[..., Finished]:
    """Runs a command where `.demo` is; one that both pages show is run there once."""
    return functools.cache(Shell(photographs.parents[1]).run)


@pytest.mark.xdist_group("photographs")
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_and_print_what_it_shows(
    page: str, shell: Shell, photographs: Path, run_once: Callable[..., Finished]
) -> None:
    """In order: what is not printed anew each time has to be as it is shown."""
    queues, http = f"127.0.0.1:{find_port()}", f"127.0.0.1:{find_port()}"
    shell.settings = {
        "HEADRACE_BIND": queues, "HEADRACE_HTTP": http, "HEADRACE_COORDINATOR": queues,
    }  # fmt: skip
    started: list[Process] = []
    here = photographs.parents[1]
    (shell.home / ".demo").symlink_to(here / ".demo")
    job = ""
    try:
        for block in re.findall(r"```console\n(.*?)```", PAGES[page], re.DOTALL):
            parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
            for part in parts:
                command, _, shown = part.partition("\n")
                if command.startswith(("cat ", "printf ")):  # a file that later commands read
                    for folder in (here, shell.home):
                        subprocess.run(command, shell=True, check=True, cwd=folder)
                if not command.startswith("headrace ") or "headrace.key" in command:
                    continue
                words = re.findall(r'"[^"]*"|\S+', command.removeprefix("headrace "))
                words = [job if word == "ID" else word.strip('"') for word in words]
                if words[-1] == "&":
                    words = [word for word in words[:-1] if not word.startswith("2>")]
                    started.append(Process(shell, *words))
                    started[-1].wait_for("data in" if words[0] == "coordinator" else "serves")
                    continue
                done = (run_once if words[0] == "run" else shell.run)(*words)
                failures = [line for line in shown.splitlines() if line.startswith("failed: ")]
                assert done.code == bool(failures), (command, done.err)
                if "--detach" in words:
                    job = done.out.strip()
                elif found := re.search(r"job (\w+) is submitted", done.err):
                    job = found[1]
                expected = [
                    line
                    for line in shown.splitlines()
                    if re.fullmatch(r"\d+( \w+)?", line) or line.startswith('{"index"')
                ]
                for line in (*expected, *failures):
                    assert line in (done.out + done.err).splitlines(), command
                for reason in re.findall(r"(torn\.jpg: .*)", shown):
                    assert reason in done.out + done.err, command
                for line in shown.splitlines():
                    if summary := re.match(r"(\w+ \w+: [\d,]+ tasks?, 0 failed)", line):
                        assert summary[1] in done.err or "images" in command, command
        assert count_lines(here / "primes.txt") == 50_847_534
        if page == "docs/tour.md":
            assert count_lines(shell.home / "small.txt") == 78_498
        assert len(list((here / "blurred").iterdir())) >= 20
    finally:
        for process in reversed(started):
            assert process.stop() == 0


@pytest.mark.slow
@pytest.mark.xdist_group("photographs")
def test_the_demo_runs(tmp_path: Path, photographs: Path) -> None:
    shutil.copytree(photographs, tmp_path / "photographs")
    done = subprocess.run(
        [sys.executable, REPOSITORY / "examples" / "demo.py", tmp_path / "photographs", "1e8"],
        check=True, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert re.search(r"^primes count 0 1e8 .* 5,761,455 primes$", done.stdout, re.MULTILINE)
    assert re.search(r"^primes find 0 1e6 .* 78,498 primes$", done.stdout, re.MULTILINE)
    with Image.open(tmp_path / "before-and-after.jpg") as sheet:
        assert min(sheet.size) > 4 * 320
    assert len(list((tmp_path / "blur").iterdir())) >= 20
