"""Workers that come as there is work, and go when it is done."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import sys
from typing import TYPE_CHECKING
from urllib.request import urlopen

from headrace_wire.system.secret_files import make_secret_file
from support.commands import HEADRACE, Process, Shell, Site, open_site, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Starts workers until there are as many as are asked for, beside those that were drained, and
#: notes in a file what it was asked.
HIRE = """
import os, pathlib, subprocess, sys
wanted, headrace = int(sys.argv[1]), sys.argv[2]
with open("asked", "a") as asked:
    print(wanted, os.environ["HEADRACE_DRAINED"], file=asked)
drained = pathlib.Path("asked").read_text().count("hired-")
for number in range(len(list(pathlib.Path().glob("hired-*"))), wanted + drained):
    name = f"hired-{number}"
    words = [headrace, "worker", "--slots", "1", "--name", name]
    worker = subprocess.Popen(words, stderr=subprocess.DEVNULL, start_new_session=True)
    pathlib.Path(name).write_text(str(worker.pid))
"""


@contextlib.contextmanager
def open_office(folder: Path) -> Iterator[Site]:
    """A site without workers, and a command that hires some, which end with it."""
    (folder / "hire.py").write_text(HIRE)
    with open_site(folder, workers=0) as site:
        try:
            yield site
        finally:
            for path in folder.glob("hired-*"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(path.read_text()), signal.SIGTERM)
            wait_until(lambda: not site.open_cluster().workers())


def test_without_docker_a_command_has_to_be_named(shell: Shell) -> None:
    shell.settings["PATH"] = str(shell.home)
    refused = shell.run("autoscale", "--max", "2")
    assert refused.code == 2
    assert refused.err == (
        "headrace: there is no docker here, with which workers are started unless --command says "
        "otherwise\n"
    )


def test_outside_of_a_folder_of_compose_one_line_says_what_to_do(shell: Shell) -> None:
    docker = shell.home / "docker"
    docker.write_text("#!/bin/sh\necho no configuration file provided: not found >&2; exit 14\n")
    docker.chmod(0o700)
    shell.settings["PATH"] = f"{shell.home}:{os.environ['PATH']}"
    refused = shell.run("autoscale", "--max", "2", "--once", "--dry-run")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err == (
        "headrace: Docker Compose has no service 'worker' to start workers of here: "
        "`docker compose config --quiet worker` failed (exit code 14): no configuration file "
        "provided: not found; "
        "go to the folder of its compose.yaml, name another service with --service, or say with "
        "--command what starts workers\n"
    )


def test_a_service_of_compose_is_not_taken_with_a_command_of_ones_own(shell: Shell) -> None:
    refused = shell.run("autoscale", "--max", "2", "--command", "true", "--service", "worker")
    assert (refused.code, refused.out) == (2, "")
    assert "--service is of Docker Compose, which is not used with --command" in refused.err
    refused = shell.run("autoscale", "--max", "2", "--command", "true", "--once", "--metrics", ":0")
    assert refused.code == 2


def test_workers_come_with_the_work_and_are_drained_after_it(tmp_path: Path) -> None:
    hire = f"{shlex.quote(sys.executable)} hire.py {{workers}} {shlex.quote(HEADRACE)}"
    asked = tmp_path / "asked"
    with open_office(tmp_path) as site:
        options = ("--min", "0", "--max", "2", "--target", "1s", "--interval", "0.2s")
        once = site.shell.run("autoscale", *options, "--once", "--dry-run", "--command", hire)
        assert (once.code, once.out) == (0, "0 workers, no change: there is no work\n")
        twice = ("--min", "1", *options[2:], "--once", "--dry-run", "--command", hire)
        once = site.shell.run("autoscale", *twice, "--log-format", "text")
        assert (once.out, once.err) == (
            "from 0 workers to 1: 1 worker at least; there is no work\n",
            "",
        )
        failed = site.shell.run("autoscale", "--max", "2", "--once", "--command", "exit 3")
        assert (failed.code, failed.err.count("headrace: ")) == (1, 1)
        assert "headrace: `exit 3` failed (exit code 3)" in failed.err
        scaler = Process(
            site.shell, "autoscale", *options, "--cooldown", "1s", "--command", hire,
            "--log-format", "text", "--metrics", "127.0.0.1:0",
        )  # fmt: skip
        scaler.wait_for("from 0 to 2 workers, with a look each 0.2 s")
        job = site.shell.run("submit", "primes", "count", "0", "2e12", "--detach").out.strip()
        scaler.wait_for("from 1 worker to 2: work for")
        (page,) = re.findall(r"metrics at (http://\S+)", "\n".join(scaler.lines))
        wait_until(lambda: 'changes_total{direction="up"} 2.0' in urlopen(page).read().decode())
        site.shell.run("cancel", job)
        scaler.wait_for("to 0: there is no work; drained first: hired-")
        wait_until(lambda: asked.read_text().count("hired-") == 2)
        wait_until(lambda: json.loads(site.shell.run("workers", "--json").out) == [])
        scaler.send(signal.SIGTERM)
        assert scaler.wait_for("stopping; workers stay as they are")
        assert scaler.wait() == 0
    assert asked.read_text().splitlines()[:2] == ["1 ", "2 "], "each step is asked for once"


def test_a_coordinator_that_is_not_there_yet_is_waited_for(shell: Shell, tmp_path: Path) -> None:
    make_secret_file(tmp_path / "key", os.urandom(32).hex())
    nobody = f"unix:{tmp_path / 'nobody'}"
    options = ("--max", "2", "--command", "true", "--interval", "0.1s")
    where = ("--coordinator", nobody, "--key-file", tmp_path / "key")
    scaler = Process(shell, "autoscale", *options, *where)
    assert scaler.wait_for("it is asked again and again")
    assert scaler.stop() == 0
    assert shell.run("autoscale", *options, *where, "--once").code == 69
