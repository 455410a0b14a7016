"""The coordinator is killed while workers hold work: theirs counts once, and nobody else's does."""

from __future__ import annotations

from pathlib import Path

from headrace_wire.address import Address
from headrace_wire.batch import pack_batch
from headrace_wire.errors import EXIT_OK
from headrace_wire.key import load_key
from headrace_wire.manager import QueueManager
from headrace_wire.messages.leases import LeaseRequest
from headrace_wire.messages.reports import DoneSpan, Report
from headrace_wire.messages.spans import HeldSpan
from support.commands import Site, open_site, wait_until
from support.probe.headrace_probe import plan
from support.queue_builders import make_worker

TASKS = 6


def connect(site: Site, key: Path) -> QueueManager:
    return QueueManager(Address("127.0.0.1", site.port), load_key(key))


def say_done(worker: str, run: HeldSpan, value: bytes) -> Report:
    values = pack_batch([value] * (run.stop - run.start))
    span = DoneSpan(run.lease, run.job, run.start, run.stop, values, 0.0, 0.0)
    return Report(worker, 1, (span,), (), (), (), held=(run,))


def test_a_task_that_runs_meanwhile_is_reported_and_does_not_run_again(tmp_path: Path) -> None:
    started = tmp_path / "started"
    started.mkdir()
    with open_site(tmp_path, workers=0) as site:
        site.add_worker("--slots", "1", "--key-file", str(site.data / "worker.key"))
        with site.open_cluster() as cluster:
            job = cluster.submit("probe", plan(1, started, sleep_seconds=2.0))
            wait_until(lambda: list(started.iterdir()))
            site.coordinator.kill()
            site.restart_coordinator()
            assert dict(job.values(ordered=False)) == {0: b"0"}
        assert len(list(started.iterdir())) == 1


def test_another_worker_s_made_up_results_count_for_nothing(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        key = tmp_path / "evil.key"
        made = site.shell.run(
            "keys", "new", "evil", "--role", "worker", "-o", key, "--data", site.data
        )
        assert made.code == EXIT_OK
        honest, evil = connect(site, site.data / "worker.key"), connect(site, key)
        with site.open_cluster() as cluster:
            job = cluster.submit("probe", plan(TASKS))
            honest.jobs().register(make_worker("honest", services=("probe",)), ())
            grant = honest.jobs().lease(LeaseRequest("honest", 1, TASKS, 30.0, ()))
            runs = [
                HeldSpan(one.id, one.job, one.start, one.stop, one.attempt, 1, one.proof)
                for one in grant.leases
            ]
            site.coordinator.kill()
            site.restart_coordinator()

            # Whoever has overheard everything, and says that it is the other worker or itself.
            for worker in ("honest", "evil"):
                for run in runs:
                    assert evil.results().report(say_done(worker, run, b"66")).accepted == 0
            # Whoever guesses.
            for number in (0, 1, runs[0].lease + 1):
                guess = HeldSpan(number, job.id, 0, TASKS, 1)
                assert evil.results().report(say_done("evil", guess, b"66")).accepted == 0
            site.coordinator.wait_for(" (key evil) claims 1 lease from before")
            assert cluster.job(job.id).status.done == 0

            accepted = 0
            for run in runs:
                accepted += honest.results().report(say_done("honest", run, b"1")).accepted
                again = honest.results().report(say_done("honest", run, b"2"))
                assert (again.accepted, again.dropped) == (0, run.stop - run.start)
            assert accepted == sum(run.stop - run.start for run in runs)
            done = cluster.job(job.id).refresh().done
            assert done == accepted
