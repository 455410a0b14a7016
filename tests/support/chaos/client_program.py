"""A client of a chaos run, as a process: numbers go in, numbers come out, and each is counted.

    work:     submit ─► submit ─► collect the oldest ─► acknowledge ─► submit …   ─► JSON
    upload:   submit half a job, say so, wait to be killed
    download: submit a job, collect a little, say so, wait to be killed
    fetch:    collect a job of somebody else's, whole, from its start             ─► JSON
    linger:   a job of long tasks, each of which leaves a file when it starts ─► JSON
    crash:    a job of which some tasks always kill their slot, and some fail     ─► JSON

Started and ended by ``world.py``; what it says to it goes to standard output, a line at a time. It
knows nothing of the faults: it uses ``headrace.cluster`` as any program would.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from headrace.cluster import Cluster
from headrace.job import Job
from headrace.submission import SubmitOptions
from headrace_services.service import Plan
from headrace_wire.address import parse_address
from headrace_wire.errors import UnreachableError
from headrace_wire.key import load_key
from support.probe.headrace_probe import plan_echo

#: Jobs of a working client that are under way at a time.
JOBS_AT_ONCE = 2

#: How often a task is tried again. Only a task that kills its slot by itself is to be given up:
#: in a long run some tasks meet more than two faults by chance.
RETRIES = 1000

#: Seconds for which a client that is to be killed waits for that.
DOOMED_SECONDS = 60

#: Seconds for which a client that starts while the coordinator is away tries again. A client that
#: has been connected once is patient by itself.
START_SECONDS = 60

#: Tasks in the job of which some crash and some fail, and which those are.
CRASH_TASKS = 200
CRASHING = (57,)
FAILING = (3, 120)

#: Tasks that a client which is killed in mid-upload has put, and in mid-download has submitted.
UPLOADED_TASKS = 2000
DOWNLOAD_TASKS = 1500

#: Tasks that are long enough to be killed in the middle, and how long each takes.
LINGER_TASKS = 4
LINGER_SECONDS = 0.7


@dataclass
class Account:
    """What came back of one job, against what went in."""

    job: str
    first: int
    tasks: int
    carried: bool
    values: int = 0
    total: int = 0
    wrong: list[str] = field(default_factory=list)
    state: str = ""
    done: int = 0
    failed: int = 0

    def collect(self, job: Job, *, ordered: bool) -> None:
        """Take every value in, and note what is wrong with it."""
        seen = bytearray(self.tasks)
        latest = -1
        for index, value in job.values(ordered=ordered):
            if not 0 <= index < self.tasks:
                self.wrong.append(f"index {index} of {self.tasks}")
                continue
            if seen[index]:
                self.wrong.append(f"index {index} came twice")
            if int(value) != self.first + index:
                self.wrong.append(f"index {index} is {value!r}")
            if ordered and index <= latest:
                self.wrong.append(f"index {index} came after {latest}")
            seen[index] = 1
            latest = index
            self.values += 1
            self.total += int(value)
        status = job.refresh()
        self.state, self.done, self.failed = status.state, status.done, status.failed


def say(**news: object) -> None:
    """Tell the world, at once."""
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


def wait_for_death() -> None:
    threading.Event().wait(DOOMED_SECONDS)
    sys.exit("nobody killed this client")


def connect(coordinator: str, key: bytes) -> Cluster:
    """Connect to the coordinator, when it is there: it may just be starting again."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return Cluster(parse_address(coordinator), key)
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


@click.group()
@click.option("--coordinator", required=True)
@click.option("--key-file", type=click.Path(path_type=Path), required=True)
@click.option("--sleep", "sleep_seconds", type=float, default=0.001)
@click.option("--first", type=int, default=0, help="First sequence number.")
@click.pass_context
def main(
    context: click.Context, coordinator: str, key_file: Path, sleep_seconds: float, first: int
) -> None:
    """Be one client of a chaos run."""
    cluster = connect(coordinator, load_key(key_file))
    say(connected=coordinator)
    context.obj = (context.with_resource(cluster), first, sleep_seconds)


@main.command()
@click.option("--tasks", type=int, required=True)
@click.option("--job-tasks", type=int, required=True)
@click.option("--spread", "spread_seconds", type=float, required=True)
@click.pass_obj
def work(
    setting: tuple[Cluster, int, float], tasks: int, job_tasks: int, spread_seconds: float
) -> None:
    """Submit jobs of carried and derived numbers in turn, spread over some time."""
    cluster, first, sleep_seconds = setting
    accounts: list[Account] = []
    running: deque[tuple[Account, Job]] = deque()
    begun = time.monotonic()

    def collect_oldest() -> None:
        account, job = running.popleft()
        account.collect(job, ordered=len(accounts) % 3 == 0)
        job.acknowledge()

    for start in range(0, tasks, job_tasks):
        due = begun + spread_seconds * start / tasks
        while len(running) >= JOBS_AT_ONCE or (running and time.monotonic() < due):
            collect_oldest()
        threading.Event().wait(max(0.0, due - time.monotonic()))
        account = Account(
            job="",
            first=first + start,
            tasks=min(job_tasks, tasks - start),
            carried=len(accounts) % 2 == 0,
        )
        plan = plan_echo(
            account.first, account.tasks, carried=account.carried, sleep_seconds=sleep_seconds
        )
        job = cluster.submit("probe", plan, SubmitOptions(retries=RETRIES, retry_delay_seconds=0.1))
        account.job = job.id
        accounts.append(account)
        running.append((account, job))
        say(submitted=job.id)
    while running:
        collect_oldest()
    say(accounts=[asdict(account) for account in accounts])


@main.command()
@click.option("--name", required=True)
@click.pass_obj
def upload(setting: tuple[Cluster, int, float], name: str) -> None:
    """Put a few thousand numbers and never come to an end."""
    cluster, first, sleep_seconds = setting

    def dawdle() -> Iterator[bytes]:
        yield from (str(first + index).encode() for index in range(UPLOADED_TASKS))
        say(uploading=name)
        wait_for_death()

    whole = plan_echo(first, UPLOADED_TASKS, carried=True, sleep_seconds=sleep_seconds)
    endless = Plan(whole.operation, whole.parameters, 1 << 30, dawdle())
    cluster.submit("probe", endless, SubmitOptions(name=name, retries=RETRIES))


@main.command()
@click.option("--name", required=True)
@click.pass_obj
def download(setting: tuple[Cluster, int, float], name: str) -> None:
    """Submit a job, take some of its values, and stop there."""
    cluster, first, sleep_seconds = setting
    plan = plan_echo(first, DOWNLOAD_TASKS, carried=True, sleep_seconds=sleep_seconds)
    job = cluster.submit("probe", plan, SubmitOptions(name=name, priority=1, retries=RETRIES))
    for _ in job.values(ordered=False):
        say(downloading=job.id)
        wait_for_death()


@main.command()
@click.argument("job_id")
@click.pass_obj
def fetch(setting: tuple[Cluster, int, float], job_id: str) -> None:
    """Collect a job that another client submitted."""
    cluster, first, _ = setting
    account = Account(job=job_id, first=first, tasks=DOWNLOAD_TASKS, carried=True)
    account.collect(cluster.job(job_id), ordered=True)
    say(accounts=[asdict(account)])


@main.command()
@click.argument("folder")
@click.pass_obj
def linger(setting: tuple[Cluster, int, float], folder: str) -> None:
    """Run a few long tasks that say in a folder which process they are in."""
    cluster, first, _ = setting
    plan = plan_echo(
        first, LINGER_TASKS, carried=False, sleep_seconds=LINGER_SECONDS, folder=folder
    )
    job = cluster.submit("probe", plan, SubmitOptions(name="linger", priority=10))
    account = Account(job=job.id, first=first, tasks=LINGER_TASKS, carried=False)
    account.collect(job, ordered=False)
    say(accounts=[asdict(account)])


@main.command()
@click.option("--name", required=True)
@click.pass_obj
def crash(setting: tuple[Cluster, int, float], name: str) -> None:
    """Run a job of which some tasks kill their slot each time, and some fail."""
    cluster, first, sleep_seconds = setting
    plan = plan_echo(
        first, CRASH_TASKS, carried=False, sleep_seconds=sleep_seconds,
        crash=list(CRASHING), fail=list(FAILING),
    )  # fmt: skip
    job = cluster.submit("probe", plan, SubmitOptions(name=name, priority=10))
    account = Account(job=job.id, first=first, tasks=CRASH_TASKS, carried=False)
    account.collect(job, ordered=False)
    failures = [[one.index, one.reason, one.signal, one.attempt] for one in job.failures()]
    say(accounts=[asdict(account)], failures=failures)


if __name__ == "__main__":
    main()
