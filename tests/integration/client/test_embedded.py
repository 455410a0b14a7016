"""The embedded cluster, where something happens to its children."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from headrace import embedded
from headrace.child import processes
from headrace.child.orders import Order
from headrace.child.processes import RUNNING, STOP_SECONDS
from headrace.cluster import Cluster
from headrace.embedded import EmbeddedClusterError
from headrace.sessions import open_embedded_cluster
from headrace_wire.engines import EngineChoice
from headrace_wire.errors import ClosedError, UnreachableError, UsageError
from headrace_wire.messages.workers import WorkerStatus
from headrace_wire.open_files import explain_limit
from support.commands import wait_until


@pytest.mark.parametrize("frozen", [["worker"], ["coordinator"], ["worker", "coordinator"]])
def test_children_that_somebody_has_stopped_are_not_waited_for(
    frozen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: dict[str, int] = {}
    start = processes.start_child

    def start_noted(role: str, *args: object) -> object:
        child = start(role, *args)  # type: ignore[arg-type] # as it was called
        pids[role] = child.pid
        return child

    monkeypatch.setattr(embedded, "start_child", start_noted)
    with open_embedded_cluster("1"):
        for role in frozen:
            os.kill(pids[role], signal.SIGSTOP)
        begun = time.monotonic()
    assert time.monotonic() - begun < STOP_SECONDS


def test_a_worker_leaves_a_program_that_goes_on_without_a_coordinator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    children: dict[str, subprocess.Popen[bytes]] = {}
    start = processes.start_child

    def start_noted(role: str, *args: object) -> object:
        children[role] = start(role, *args)  # type: ignore[arg-type] # as it was called
        return children[role]

    monkeypatch.setattr(embedded, "start_child", start_noted)
    with open_embedded_cluster("1"):
        children["coordinator"].kill()
        assert children["worker"].wait(30) is not None


def test_a_worker_whose_program_is_gone_before_it_tells_where_the_coordinator_is_ends(
    tmp_path: Path,
) -> None:
    order = Order(str(tmp_path), slots="1")
    done = subprocess.run(
        [sys.executable, "-m", "headrace.child", "worker", order.write()],
        check=False, stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_coordinator_that_cannot_start_is_said_so_and_leaves_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded, "ensure_key", lambda path: path.mkdir())
    with (
        pytest.raises(EmbeddedClusterError, match=r"^no embedded coordinator: (?!headrace: ).*key"),
        open_embedded_cluster("1"),
    ):
        raise AssertionError("it opened")
    assert all(child.poll() is not None for child in RUNNING)


@pytest.mark.parametrize(
    ("end", "said", "told"),
    [
        ("", "INFO it starts\nheadrace: the disk is full\n", "it ended: the disk is full"),
        ("no engine", "headrace: the disk is full\n", "it ended: no engine"),
        ("", "", "it ended: it said nothing"),
        (
            "what answers did not begin the handshake",
            f"WARNING {os.strerror(errno.EMFILE)}; trying again\nWARNING what answers did not\n",
            "it ended: {limit}",
        ),
    ],
)
def test_the_end_of_the_children_is_explained(end: str, said: str, told: str) -> None:
    first: Future[tuple[str, int]] = Future()
    first.set_result(("worker", 69))
    files = io.BytesIO(end.encode()), io.BytesIO(said.encode())
    # Other tests of this process may raise the limit.
    told = told.replace("{limit}", explain_limit())
    assert embedded._explain_end(first, *files, "it ended") == told


def test_an_engine_that_cannot_be_used_is_an_error_of_usage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The worker refuses it: the address is none, and the library may be missing, too.
    monkeypatch.setattr(embedded, "require_library", lambda _: None)
    with (
        pytest.raises(UsageError, match=r"^(?!.*ended: )"),
        open_embedded_cluster("1", engine=EngineChoice("dask", "host:none")),
    ):
        raise AssertionError("it opened")


@pytest.mark.parametrize(
    ("role", "code", "kind"),
    [
        ("worker", 2, UsageError),
        ("worker", 69, UnreachableError),
        ("worker", 1, EmbeddedClusterError),
        ("worker", -9, EmbeddedClusterError),
        ("coordinator", 69, EmbeddedClusterError),
    ],
)
def test_a_worker_s_exit_code_tells_why_its_engine_is_not_there(
    role: str, code: int, kind: type[Exception]
) -> None:
    first: Future[tuple[str, int]] = Future()
    first.set_result((role, code))
    assert embedded._find_kind(first) is kind


def test_a_cluster_without_an_address_is_started_for_the_program_and_ends_with_it() -> None:
    offset = 7
    with Cluster(engine="pool") as cluster:
        job = cluster.map(lambda number: number + offset, range(5))
        assert list(job.results(timeout=60)) == [7, 8, 9, 10, 11]
        cluster.value("hits").add(1)
        assert str(cluster.address) in repr(cluster)
    assert all(child.poll() is not None for child in RUNNING)
    with pytest.raises(ClosedError):
        cluster.jobs()


def test_a_started_cluster_says_why_it_is_no_longer_there() -> None:
    def ask_on_after_its_end() -> None:
        with Cluster() as cluster:
            for child in RUNNING:
                child.kill()
            while True:
                cluster.jobs()

    with pytest.raises(EmbeddedClusterError, match="was killed"):
        ask_on_after_its_end()


def test_what_runs_the_tasks_of_a_cluster_elsewhere_is_not_chosen_here() -> None:
    with pytest.raises(UsageError, match="its workers decide, with --engine"):
        Cluster("127.0.0.1:1", engine="pool")


def test_it_works_where_temporary_folders_have_long_and_odd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / ("a b\n\udcff" + "x" * 100)
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    monkeypatch.setenv("HEADRACE_TLS", "on")  # which is meant for clusters elsewhere
    with open_embedded_cluster("1") as cluster:
        (worker,) = wait_for_workers(cluster)
        assert worker.slots == 1
    assert not list(odd.iterdir())


def wait_for_workers(cluster: Cluster) -> tuple[WorkerStatus, ...]:
    wait_until(cluster.workers)
    return cluster.workers()
