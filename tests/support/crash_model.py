"""What a store has to hold, given what was acknowledged; and what one does hold.

The model is written from the words of docs/promises.md, not from the queue's code: plain sets and
dicts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.job import Job
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.store.store import Store
from headrace_wire.batch import pack_batch, unpack_batch
from headrace_wire.messages.failures import ERROR
from headrace_wire.messages.jobs import CANCELLED, FAILED, SUCCEEDED
from support.crash_program import TASK_SECONDS, Fact, make_input, make_value
from support.queue_builders import make_spec
from support.queue_invariants import check_invariants

#: A job that can go on; whether something of it was leased before is nobody's to remember.
UNFINISHED = "unfinished"

#: Every job with all that is known of it, ready to be compared.
State = dict[str, dict[str, Any]]


@dataclass
class JobModel:
    """One job. ``values`` are the results kept, ``inputs`` those of chunks not yet done.

    ``attempts`` tells how often tasks were tried that wait for another attempt.
    """

    tasks: int
    sealed: bool
    state: str = UNFINISHED
    results_kept: bool = True
    bytes_in: int = 0
    bytes_out: int = 0
    cpu_seconds: float = 0.0
    done: list[int] = field(default_factory=list[int])
    dead: dict[int, str] = field(default_factory=dict[int, str])
    attempts: dict[int, int] = field(default_factory=dict[int, int])
    values: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    inputs: dict[tuple[int, int], list[str]] = field(
        default_factory=dict[tuple[int, int], list[str]]
    )

    def settle(self) -> None:
        whole = self.sealed and len(self.done) + len(self.dead) == self.tasks
        if self.state == UNFINISHED and whole:
            self.state = FAILED if self.dead else SUCCEEDED
        if self.state != UNFINISHED:
            self.attempts = {}


def derive_states(lines: list[list[Fact]]) -> list[State]:
    """What holds before the first acknowledgement, and after each of them."""
    jobs: dict[str, JobModel] = {}
    states: list[State] = [{}]
    for line in lines:
        for fact in line:
            _apply(jobs, fact)
        states.append({job: asdict(model) for job, model in jobs.items()})
    return states


def _apply(jobs: dict[str, JobModel], fact: Fact) -> None:
    name = fact["job"]
    match fact["fact"]:
        case "submitted":
            jobs[name] = JobModel(tasks=fact["tasks"] or 0, sealed=fact["tasks"] is not None)
        case "put":
            span = fact["start"], fact["stop"]
            items = [make_input(name, index) for index in range(*span)]
            jobs[name].inputs[span] = [_digest(item) for item in items]
            jobs[name].tasks = fact["stop"]
            jobs[name].bytes_in += len(pack_batch(items))
        case "sealed":
            jobs[name].sealed = True
        case "done":
            _finish(jobs[name], name, fact["start"], fact["stop"])
        case "failed":
            jobs[name].cpu_seconds += TASK_SECONDS
            tried = jobs[name].attempts.pop(fact["index"], 0) + 1
            if fact["reason"] == ERROR:
                jobs[name].dead[fact["index"]] = f"task {fact['index']} cannot be done"
            else:
                jobs[name].attempts[fact["index"]] = tried
        case "lost":
            for index in range(fact["start"], fact["stop"]):
                jobs[name].attempts[index] = jobs[name].attempts.get(index, 0) + 1
        case "results dropped":
            jobs[name].values = []
            jobs[name].results_kept = False
        case "retried":
            jobs[name].state = UNFINISHED
            jobs[name].dead = {}
            jobs[name].results_kept = True
        case "replayed":
            jobs[name].state = UNFINISHED
            del jobs[name].dead[fact["index"]]
            jobs[name].results_kept = True
        case "cancelled":
            jobs[name].state = CANCELLED
        case "deleted":
            del jobs[name]
        case other:
            raise AssertionError(f"nobody says what {other!r} means")
    if name in jobs:
        jobs[name].settle()


def _finish(job: JobModel, name: str, start: int, stop: int) -> None:
    items = [make_value(name, index) for index in range(start, stop)]
    job.done = sorted([*job.done, *range(start, stop)])
    job.values = sorted([*job.values, *zip(range(start, stop), map(_digest, items), strict=True)])
    job.bytes_out += len(pack_batch(items))
    job.cpu_seconds += TASK_SECONDS * (stop - start)
    for index in range(start, stop):
        job.attempts.pop(index, None)
    for span in list(job.inputs):
        if set(range(*span)) <= set(job.done):
            del job.inputs[span]


def read_state(path: Path) -> State:
    """Open a store as a coordinator does, check it, and say what it holds."""
    store = Store(path)
    try:
        ledger = Ledger(store, Rules(), lambda _: None)
        for table in ("results", "inputs", "failures", "attempts"):
            query = f"SELECT count(*) FROM {table} WHERE job NOT IN (SELECT id FROM jobs)"
            query += " AND job NOT IN (SELECT job FROM doomed)"  # of a deleted one, to go later
            (orphans,) = store._writer.execute(query).fetchone()
            assert orphans == 0, f"{orphans} rows in {table} belong to no job"
        findings = store._writer.execute("PRAGMA integrity_check").fetchall()
        assert findings == [("ok",)], findings

        def look(queue: Queue, _: Now) -> dict[str, Job]:
            check_invariants(queue.state)
            return dict(queue.state.jobs)

        jobs: dict[str, Job] = ledger.observe(look)
        return {name: asdict(_read_job(store, name, job)) for name, job in jobs.items()}
    finally:
        store.close()


def _read_job(store: Store, name: str, job: Job) -> JobModel:
    runs, _ = store.reader.read_results_after(name, 0, 1 << 40)
    failures = store.reader.read_failures(name, 0, 1 << 20)
    found = JobModel(
        tasks=job.tasks,
        sealed=job.sealed,
        state=job.state if job.is_final else UNFINISHED,
        results_kept=job.results_kept,
        bytes_in=job.bytes_in,
        bytes_out=job.bytes_out,
        cpu_seconds=job.cpu_seconds,
        done=[index for start, stop in job.done for index in range(start, stop)],
        dead={failure.index: failure.message for failure in failures},
        attempts={
            index: attempts
            for start, stop, attempts in (*job.again, *job.suspects)
            for index in range(start, stop)
        },
        values=sorted(
            (index, _digest(value))
            for run in runs
            for index, value in enumerate(unpack_batch(run.values), run.start)
        ),
    )
    for start, stop, _ in job.chunks.touching(0, job.tasks):
        batches = store.reader.read_inputs(name, start, stop)
        assert batches is not None, f"{name}: the inputs of tasks {start} to {stop} are gone"
        found.inputs[start, stop] = [
            _digest(item) for batch in batches for item in unpack_batch(batch)
        ]
    dead = [index for start, stop in job.dead for index in range(start, stop)]
    assert dead == list(found.dead), f"{name}: {dead} are dead, failures tell of {found.dead}"
    return found


def check_goes_on(path: Path, before: State) -> None:
    """Write to a store that was opened again, and find that with all that was there before."""
    store = Store(path)
    try:
        ledger = Ledger(store, Rules(), lambda _: None)
        ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec("afterwards", 3), now))
    finally:
        store.close()
    afterwards = asdict(JobModel(tasks=3, sealed=True))
    expected = {**before, "afterwards": afterwards}
    after = read_state(path)
    assert after == expected, "it does not go on:\n" + describe_difference(after, expected)


def describe_difference(found: State, allowed: State) -> str:
    """Where two states differ, in a few lines."""
    lines: list[str] = []
    for job in found.keys() | allowed.keys():
        if job not in found or job not in allowed:
            lines.append(f"  job {job}: {'is there' if job in found else 'is not there'}")
            continue
        lines += [
            f"  job {job}: {key} is {found[job][key]}, not {allowed[job][key]}"
            for key in found[job]
            if found[job][key] != allowed[job][key]
        ]
    return "\n".join(lines)


def describe_inventions(found: State, earlier: Sequence[State]) -> str:
    """What a state holds that none of the earlier ones did, in a few lines; less is no fault."""
    lines: list[str] = []
    for name, job in found.items():
        known = [state[name] for state in earlier if name in state]
        if not known:
            lines.append(f"  job {name} never was")
            continue
        if job["tasks"] not in {it["tasks"] for it in known}:
            lines.append(f"  job {name}: {job['tasks']} tasks")
        finished = {index for it in known for index in it["done"]}
        if strange := set(job["done"]) - finished:
            lines.append(f"  job {name}: {strange} are done")
        for index, digest in job["values"]:
            if digest != _digest(make_value(name, index)):
                lines.append(f"  job {name}: the value of {index} is another")
        for (start, stop), digests in job["inputs"].items():
            if digests != [_digest(make_input(name, index)) for index in range(start, stop)]:
                lines.append(f"  job {name}: the inputs of {start} to {stop} are others")
        if job["state"] == SUCCEEDED and len(job["done"]) != job["tasks"]:
            lines.append(f"  job {name} succeeded with {len(job['done'])} tasks done")
    return "\n".join(lines)


def _digest(item: bytes) -> str:
    return hashlib.sha256(item).hexdigest()[:12]
