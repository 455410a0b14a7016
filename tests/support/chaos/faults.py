"""What each fault of a plan does to the world. A fault that lasts gives back what ends it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from functools import partial

import psutil

from support.chaos.client_program import (
    CRASHING,
    DOWNLOAD_TASKS,
    FAILING,
    UPLOADED_TASKS,
)
from support.chaos.processes import find_fork_server, send_signal, wait_until
from support.chaos.relay import Link
from support.chaos.schedule import Step
from support.chaos.seats import Seat
from support.chaos.world import World

#: Ends a fault that lasts.
Undo = Callable[[], None]

#: By how much the wall clock jumps, in seconds.
JUMP_SECONDS = 3600.0

#: Seconds for a client that shows something to get as far as that.
VISIT_SECONDS = 60.0

#: How often a task is tried at least, by what ends it.
ATTEMPTS = {"crash": 3, "error": 1}


def kill_slot(world: World, step: Step) -> None:
    send_signal([_pick_slot(world, step)], signal.SIGKILL)
    world.note(step.fault, "killed")


def kill_slot_in_task(world: World, step: Step) -> None:
    folder = world.folder / f"linger-{step.at_seconds}"
    folder.mkdir()
    visitor = world.start_visitor("linger", str(folder))
    world.lingerers.append(visitor)
    if not wait_until(lambda: list(folder.iterdir()), VISIT_SECONDS):
        raise TimeoutError("no task began")
    index, _, pid = next(folder.iterdir()).name.partition("-")
    os.kill(int(pid), signal.SIGKILL)
    if not wait_until(lambda: len(list(folder.glob(f"{index}-*"))) > 1, VISIT_SECONDS):
        raise TimeoutError(f"task {index} was not run again")
    world.note(step.fault, "run again")


def freeze_slot(world: World, step: Step) -> Undo:
    slot = _pick_slot(world, step)
    send_signal([slot], signal.SIGSTOP)

    def thaw() -> None:
        send_signal([slot], signal.SIGCONT)  # unless its worker was killed meanwhile
        world.note(step.fault, "thawed")

    return thaw


def kill_fork_server(world: World, step: Step) -> None:
    server = find_fork_server(world.pick_seat(step.place).worker.pid)
    if server is None:  # this worker has lost it before, and needed none since
        return
    send_signal([server], signal.SIGKILL)
    world.note(step.fault, "killed")


def kill_worker(world: World, step: Step) -> None:
    seat = world.pick_seat(step.place)
    seat.worker.kill()
    world.add_worker(seat)
    world.note(step.fault, "another took its seat")


def stop_worker(world: World, step: Step) -> None:
    seat = world.pick_seat(step.place)
    code = seat.worker.stop()
    world.note(step.fault, f"drained, exit code {code}")
    if code:
        world.problems.append(f"a drained worker ended with {code}: {seat.worker.lines[-15:]}")
    world.add_worker(seat)


def freeze_worker(world: World, step: Step) -> Undo:
    seat = world.pick_seat(step.place)
    send_signal(seat.find_family(), signal.SIGSTOP)

    def thaw() -> None:
        send_signal(seat.find_family(), signal.SIGCONT)
        world.note(step.fault, "thawed")

    return _disturb(seat, thaw)


def kill_coordinator(world: World, step: Step) -> None:
    world.restart_coordinator(kill=True)
    world.note(step.fault, "started again")


def stop_coordinator(world: World, step: Step) -> None:
    code = world.restart_coordinator(kill=False)
    world.note(step.fault, f"exit code {code}, started again")
    if code:
        world.problems.append(f"a stopped coordinator ended with {code}")


def freeze_coordinator(world: World, step: Step) -> None:
    world.coordinator.send(signal.SIGSTOP)
    try:
        threading.Event().wait(step.lasts_seconds)
    finally:
        world.coordinator.send(signal.SIGCONT)
    world.note(step.fault, "thawed")


def cut_link(world: World, step: Step) -> Undo:
    seat = world.pick_seat(step.place)
    if seat.namespace is None:
        return blackhole_worker(world, step)
    seat.namespace.cut()

    def heal() -> None:
        assert seat.namespace
        seat.namespace.heal()
        world.note(step.fault, "plugged in again")

    return _disturb(seat, heal)


def reset_worker(world: World, step: Step) -> None:
    world.pick_seat(step.place).link.reset()
    world.note(step.fault, "reset")


def reset_client(world: World, step: Step) -> None:
    link = _pick_client(world, step)
    if link:
        link.reset()
        world.note(step.fault, "reset")


def blackhole_worker(world: World, step: Step) -> Undo:
    seat = world.pick_seat(step.place)
    return _disturb(seat, _blackhole(world, step, seat.link))


def blackhole_client(world: World, step: Step) -> Undo | None:
    link = _pick_client(world, step)
    return _blackhole(world, step, link) if link else None


def lose_workers_reply(method: str, world: World, step: Step) -> None:
    world.pick_seat(step.place).link.lose_reply(method)


def lose_clients_reply(method: str, world: World, step: Step) -> None:
    link = _pick_client(world, step)
    if link:
        link.lose_reply(method)


def kill_uploader(world: World, step: Step) -> None:
    name = f"half-{step.at_seconds}"
    visitor = world.start_visitor("upload", "--name", name)
    visitor.wait_for("uploading", VISIT_SECONDS)
    with world.open_cluster() as cluster:
        found = [job for job in cluster.jobs() if job.name == name]
    if [job.sealed for job in found] != [False] or found[0].tasks >= UPLOADED_TASKS:
        world.problems.append(f"a job that is being uploaded is not half there: {found}")
    visitor.kill()
    world.half_uploads.append(name)
    world.note(step.fault, "killed half way")


def kill_downloader(world: World, step: Step) -> None:
    visitor = world.start_visitor("download", "--name", f"download-{step.at_seconds}")
    job = visitor.wait_for("downloading", VISIT_SECONDS)
    first = int(visitor.words[visitor.words.index("--first") + 1])
    visitor.kill()
    world.start_visitor("fetch", job, first=first)
    world.expected_visits[job] = DOWNLOAD_TASKS
    world.note(step.fault, "another client began anew")


def crash_task(world: World, step: Step) -> None:
    visitor = world.start_visitor("crash", "--name", f"crash-{step.at_seconds}")
    accounts = visitor.wait_for("accounts", VISIT_SECONDS)
    failures = visitor.wait_for("failures", VISIT_SECONDS)
    expected = [(index, "crash", "SIGSEGV") for index in CRASHING]
    expected += [(index, "error", "") for index in FAILING]
    # A fault that came before may cost one attempt more.
    few = any(attempt < ATTEMPTS[reason] for _, reason, _, attempt in failures)
    if sorted((index, reason, name) for index, reason, name, _ in failures) != sorted(expected):
        world.problems.append(f"of the crashing job failed {failures}, not {expected}")
    elif few:
        world.problems.append(f"some tasks were given up too early: {failures}")
    world.expected_visits[accounts[0]["job"]] = accounts[0]["tasks"] - len(expected)
    world.note(step.fault, "given up after 3 attempts, the rest done")


def jump_clock(world: World, step: Step) -> Undo:
    world.set_clock(JUMP_SECONDS if step.place % 2 else -JUMP_SECONDS)

    def jump_back() -> None:
        world.set_clock(0.0)
        world.note(step.fault, "an hour there and back")

    return jump_back


def _pick_slot(world: World, step: Step) -> psutil.Process:
    seat = world.pick_seat(step.place)
    slots: list[psutil.Process] = []

    def look() -> bool:
        slots[:] = seat.find_slots()
        return bool(slots)

    if not wait_until(look, VISIT_SECONDS):
        raise TimeoutError(f"worker {seat.name} has no slots")
    return slots[step.place % len(slots)]


def _pick_client(world: World, step: Step) -> Link | None:
    links = world.guest_links
    return links[step.place % len(links)] if links else None  # none: all are done


def _blackhole(world: World, step: Step, link: Link) -> Undo:
    link.blackhole()

    def heal() -> None:
        link.heal()
        world.note(step.fault, "healed")

    return heal


def _disturb(seat: Seat, undo: Undo) -> Undo:
    seat.disturbed = True

    def end() -> None:
        undo()
        seat.disturbed = False

    return end


#: What to do, by the kinds of schedule.py.
FAULTS: dict[str, Callable[[World, Step], Undo | None]] = {
    "kill a slot": kill_slot,
    "kill a slot in mid-task": kill_slot_in_task,
    "freeze a slot": freeze_slot,
    "kill a fork server": kill_fork_server,
    "kill a worker": kill_worker,
    "stop a worker": stop_worker,
    "freeze a worker": freeze_worker,
    "kill the coordinator": kill_coordinator,
    "stop the coordinator": stop_coordinator,
    "freeze the coordinator": freeze_coordinator,
    "cut a worker's link": cut_link,
    "reset a worker's link": reset_worker,
    "reset a client's link": reset_client,
    "blackhole a worker": blackhole_worker,
    "blackhole a client": blackhole_client,
    "lose a report's reply": partial(lose_workers_reply, "report"),
    "lose a lease's reply": partial(lose_workers_reply, "lease"),
    "lose a heartbeat's reply": partial(lose_workers_reply, "heartbeat"),
    "lose a put's reply": partial(lose_clients_reply, "put"),
    "lose a submit's reply": partial(lose_clients_reply, "submit"),
    "lose a seal's reply": partial(lose_clients_reply, "seal"),
    "lose a fetch's reply": partial(lose_clients_reply, "fetch"),
    "kill an uploading client": kill_uploader,
    "kill a downloading client": kill_downloader,
    "crash a task": crash_task,
    "jump the clock": jump_clock,
}

#: The method whose reply is lost, by fault; how often it was, the links count.
LOSSES = {kind: str(fault.args[0]) for kind, fault in FAULTS.items() if isinstance(fault, partial)}
