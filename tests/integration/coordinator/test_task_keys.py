"""The token of a job is taken while it is there, and a moment longer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.moment import Now
from headrace_coordinator.queue.queue import Queue
from headrace_coordinator.queue.rules import Rules
from headrace_coordinator.serving import task_keys
from headrace_coordinator.serving.task_keys import TaskKeys
from headrace_coordinator.settings import CoordinatorSettings
from headrace_coordinator.store.store import Store
from headrace_wire.address import Address
from headrace_wire.job_tokens import find_hint, make_token
from headrace_wire.key import ensure_key, load_key
from headrace_wire.key_book import make_named_key, revoke_key, rotate_key
from headrace_wire.keyring import derive_key, mark_key
from headrace_wire.live_keys import LiveKeys
from headrace_wire.manager import QueueManager
from headrace_wire.messages.shared import EVENT, LIST, SharedCall, SharedSpec, Stamp
from headrace_wire.role_files import write_role_files
from headrace_wire.roles import CLIENT, TASK, WORKER, Holder, set_caller
from support.coordinators import run_coordinator
from support.queue_builders import make_spec

GRACE_SECONDS = 15.0

SECRET = bytes(range(32))


class Clock:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(task_keys, "time", clock)
    return clock


class Kept:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "key"
        write_role_files(self.path, ensure_key(self.path))
        self.worker = make_named_key(self.path, "machine-7", WORKER).hold()
        self.store = Store(folder / "store")
        self.ledger = Ledger(self.store, Rules())
        self.keys = TaskKeys(LiveKeys(self.path), SECRET, self.ledger, GRACE_SECONDS)
        self.ledger.listen(self.keys.note)
        self.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec("a"), now, "ada"))

    def is_taken(self, holder: Holder) -> bool:
        return self.keys.make_check()(holder)

    def find(self, job: str = "a") -> list[Holder]:
        return list(self.keys.find(f"{job}:{self.worker.mark}".encode()).values())

    def make_token(self, job: str, worker: Holder | None = None) -> bytes:
        def make() -> bytes:
            set_caller(worker or self.worker)
            return self.keys.make_token(job).encode()

        return copy_context().run(make)


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Iterator[Kept]:
    del clock
    kept = Kept(tmp_path)
    yield kept
    kept.store.close()


def test_a_job_that_is_there_has_a_token_and_others_have_none(kept: Kept) -> None:
    (holder,) = kept.find()
    assert (holder.name, holder.role) == ("a", TASK)
    token = kept.make_token("a")
    assert list(kept.keys.find(find_hint(token))) == [token]
    assert kept.is_taken(holder)
    assert not kept.find("b")
    assert not kept.keys.find(b"\xff")
    assert not kept.keys.find(b"a:")


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_token_ends_a_moment_after_its_job(kept: Kept, clock: Clock, end: str) -> None:
    (holder,) = kept.find()
    ends: dict[str, Callable[[], object]] = {
        "cancel": lambda: kept.ledger.commit_now(lambda queue, now: queue.intake.cancel("a", now)),
        "delete": lambda: kept.ledger.commit_now(lambda queue, _: queue.intake.delete("a")),
    }
    ends[end]()
    assert kept.is_taken(holder)
    clock.seconds += GRACE_SECONDS + 1
    assert not kept.is_taken(holder)
    assert not kept.find()
    kept.ledger.commit_now(lambda queue, now: queue.intake.submit(make_spec("b"), now))
    assert kept.find("b")


def test_a_job_that_is_retried_has_its_token_again(kept: Kept, clock: Clock) -> None:
    kept.ledger.commit_now(lambda queue, now: queue.intake.cancel("a", now))
    clock.seconds += GRACE_SECONDS + 1
    kept.ledger.commit_now(lambda queue, now: queue.revival.retry("a", 0, now))
    assert kept.find()


@pytest.mark.parametrize("end", ["cancel", "delete", None])
def test_what_a_task_makes_be_kept_counts_under_the_key_of_its_job(
    kept: Kept, end: str | None
) -> None:
    if end == "cancel":
        kept.ledger.commit_now(lambda queue, now: queue.intake.cancel("a", now))
    if end == "delete":
        kept.ledger.commit_now(lambda queue, _: queue.intake.delete("a"))
    payers = {
        Holder("a", TASK): "ada",
        Holder("gone", TASK): TASK,
        Holder("bob", "client"): "bob",
        Holder("eve", "admin"): "",
    }

    def find(holder: Holder) -> str:
        set_caller(holder)
        return kept.keys.find_payer()

    assert {holder: copy_context().run(find, holder) for holder in payers} == payers


def test_tokens_stay_when_the_coordinator_s_key_is_rotated(kept: Kept) -> None:
    (before,) = kept.find()
    token = kept.make_token("a")
    rotate_key(kept.path)
    revoke_key(kept.path, "previous")
    assert kept.is_taken(before)
    assert list(kept.keys.find(find_hint(token))) == [token]


def test_a_token_ends_with_the_key_that_leased_its_job(kept: Kept) -> None:
    (holder,) = kept.find()
    another = make_named_key(kept.path, "machine-8", WORKER).hold()
    revoke_key(kept.path, "machine-7")
    assert not kept.is_taken(holder)
    assert not kept.find()
    assert kept.keys.find(find_hint(kept.make_token("a", another)))


def test_a_token_of_a_worker_with_a_certificate_follows_from_the_key_with_it(kept: Kept) -> None:
    worker = Holder("ann", WORKER, "certificate", kept.worker.mark)
    assert kept.make_token("a", worker) == kept.make_token("a")


def test_who_says_nothing_of_its_key_is_compared_with_those_that_have_names(kept: Kept) -> None:
    assert {holder.name for holder in kept.keys.find(b"").values()} == {
        "admin", "client", "worker", "observer", "machine-7"
    }  # fmt: skip


def test_objects_of_tasks_and_of_clients_belong_to_the_client_s_key(tmp_path: Path) -> None:
    settings = CoordinatorSettings(
        tmp_path / "data", tmp_path / "key", bind=Address("127.0.0.1", 0), http=None
    )
    with run_coordinator(settings) as running:
        own = load_key(tmp_path / "key")
        client = QueueManager(running.bound, derive_key(own, CLIENT))
        client.jobs().submit(make_spec("a"))
        client.shared().open(SharedSpec("of a client", EVENT))
        secret, mark = load_key(tmp_path / "data" / "token.secret"), mark_key(own)
        task = QueueManager(running.bound, make_token(secret, "a", mark)).shared()
        task.open(SharedSpec("of a task", LIST))
        stamp = Stamp("slot", 0, 1)
        task.change(SharedCall(stamp, "of a client", EVENT, "set"))
        QueueManager(running.bound, own).shared().open(SharedSpec("of an admin", EVENT))

        def look(queue: Queue, _: Now) -> tuple[dict[str, str], str]:
            objects = queue.shared.objects
            owners = {name: one.owner for name, one in objects.items()}
            return owners, queue.shared.sessions.by_id["slot"].key

        assert running._ledger.observe(look) == (
            {"of a client": CLIENT, "of a task": CLIENT, "of an admin": ""},
            CLIENT,
        )
