"""A coordinator at a Unix socket, which workers and clients name as they name a host."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack

from headrace import Cluster
from support.commands import Process, Shell


def test_a_coordinator_is_served_and_found_at_a_path(shell: Shell) -> None:
    # The path of a temporary folder is short.
    with tempfile.TemporaryDirectory(prefix="a b") as folder, ExitStack() as ending:
        address = f"unix:{folder}/socket"
        shell.settings["HEADRACE_COORDINATOR"] = address
        coordinator = Process(shell, "coordinator", "--bind", address, "--no-http")
        ending.callback(coordinator.stop)
        assert coordinator.wait_for("queues at").endswith(f"queues at {address}")
        coordinator.wait_for("data in")
        worker = Process(shell, "worker", "--slots", "1")
        ending.callback(worker.stop)
        worker.wait_for(f"coordinator {address}")
        done = shell.run("submit", "primes", "count", "0", "1e5")
        assert (done.code, done.out.strip()) == (0, "9592")
        with Cluster(address, key_file=shell.home / ".local/state/headrace/key") as cluster:
            assert cluster.value("number").add(1) == 1
        again = shell.run("coordinator", "--bind", address, "--data", shell.home / "another")
        assert again.code == 2
        assert f"cannot serve at {address}: something serves there already" in again.err
        assert worker.stop() == 0
        assert coordinator.stop() == 0
        gone = shell.run("health")
        assert gone.code == 69
        assert f"no coordinator answers at {address}" in gone.err
    refused = shell.run("coordinator", "--http", address)
    assert refused.code == 2
    assert "is a Unix socket" in refused.err
