"""Coordinator, worker and client that are started at once, in a home where there is no key yet."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack

from support.commands import Process, Shell


def test_a_worker_waits_for_the_coordinator_that_makes_the_key(shell: Shell) -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ending:
        # A port that is known before somebody serves there might be taken by others.
        address = f"unix:{folder}/socket"
        shell.settings["HEADRACE_COORDINATOR"] = address
        worker = Process(shell, "worker", "--slots", "1")
        ending.callback(worker.stop)
        said = worker.wait_for("trying for 600 s")
        assert f"no coordinator answers at {address}" in said
        assert "no key is at" in said
        gone = shell.run("submit", "primes", "count", "0", "100", "--wait", "0.2s")
        assert gone.code == 69
        told, why = gone.err.splitlines()
        assert told.startswith(f"headrace: no coordinator at {address} yet; trying for")
        assert "start one there with `headrace coordinator`" in why
        # Its key is none that a coordinator would still make.
        named = shell.run("worker", "--key-file", "missing")
        assert (named.code, named.err.count("\n")) == (77, 1)
        assert "no key at" in named.err
        coordinator = Process(shell, "coordinator", "--bind", address, "--no-http")
        ending.callback(coordinator.stop)
        worker.wait_for(f"coordinator {address}")
        done = shell.run("submit", "primes", "count", "0", "1e5")
        assert (done.code, done.out.strip()) == (0, "9592")
        assert worker.stop() == 0
