"""Which slots have exceeded a time limit, and when one may do so next.

There is no timer: the next moment at which any limit can expire is computed, again after each piece
that is sent, as if tasks that have not begun started now.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from headrace_worker.pool.dispatch import STUCK_SECONDS
from headrace_worker.pool.slot_process import KillReason, SlotProcess

#: How long a slot may take until it is ready, in seconds.
START_SECONDS = 60.0

#: How long a service may take to prepare a job, in seconds, if the time limit of tasks is shorter:
#: what it imports should not count for the first task.
PREPARE_SECONDS = 60.0

#: How long a slot may live after it has closed its socket, or has said that it exits, in seconds.
MUTE_SECONDS = 2.0

#: How long a slot that was sent tasks may do nothing at all, in seconds. It is then frozen, or
#: stuck outside of any task. Its tasks have not started, so others run them.
INACTIVE_SECONDS = 10.0

#: How often, in seconds, a slot is checked that was sent tasks but runs none.
INACTIVE_LOOK_SECONDS = 0.5

#: The shortest pause, in seconds, between checks of tasks that have not started yet.
SHORTEST_LOOK_SECONDS = 0.01

#: The longest wait in seconds: system calls refuse much longer ones.
LONGEST_WAIT_SECONDS = 86_400.0


def enforce_limits(
    slots: Iterable[SlotProcess], now_seconds: float
) -> tuple[float, list[SlotProcess]]:
    """Kill the slots that are over a limit.

    Returns when to check again (monotonic seconds), and the slots whose running task delays tasks
    behind it.
    """
    due = inf
    stuck: list[SlotProcess] = []
    for slot in slots:
        if slot.kill_reason is not None:
            continue
        if slot.ended_seconds is not None:
            # If a task still runs, it has closed the socket, and it is charged.
            found = slot.find_running()
            number = found[2].number if found else 0
            over = slot.ended_seconds + MUTE_SECONDS
            slot_due = _enforce(slot, "mute", number, over, now_seconds)
        elif slot.retired:
            slot_due = _enforce(slot, "mute", 0, slot.retired_seconds + MUTE_SECONDS, now_seconds)
        elif not slot.ready:
            slot_due = _enforce(slot, "start", 0, slot.started_seconds + START_SECONDS, now_seconds)
        elif slot.pieces:
            slot_due = min(
                _enforce_task(slot, now_seconds),
                _enforce_grace(slot, now_seconds),
                _enforce_activity(slot, now_seconds),
            )
            stuck_due = _find_stuck(slot, now_seconds)
            if stuck_due <= now_seconds:
                stuck.append(slot)
            else:
                slot_due = min(slot_due, stuck_due)
        else:
            slot_due = inf
        due = min(due, slot_due)
    return due if due == inf else min(due, now_seconds + LONGEST_WAIT_SECONDS), stuck


def _enforce(
    slot: SlotProcess, kill_reason: KillReason, number: int, due_seconds: float, now_seconds: float
) -> float:
    if due_seconds > now_seconds:
        return due_seconds
    slot.kill_for(kill_reason, number)
    return inf


def _enforce_task(slot: SlotProcess, now_seconds: float) -> float:
    found = slot.find_running()
    piece, running = (found[0], found[2]) if found else (None, None)
    # A task that has not started yet cannot exceed its limit before it would if it started now.
    # This also applies to a task whose service is still preparing its job. The tasks behind the
    # running one in its own piece start after it, and have the same limit.
    soonest = min(
        (
            other.batch.timeout_seconds or inf
            for other in slot.pieces.values()
            if other is not piece or (running and running.preparing)
        ),
        default=inf,
    )
    due = now_seconds + max(soonest, SHORTEST_LOOK_SECONDS)
    if piece is None or running is None or piece.batch.timeout_seconds is None:
        return due
    limit_seconds = piece.batch.timeout_seconds
    if running.preparing and not running.initializing:
        limit_seconds = max(limit_seconds, PREPARE_SECONDS)
    over = running.since_seconds + limit_seconds
    return min(due, _enforce(slot, "timeout", running.number, over, now_seconds))


def _enforce_activity(slot: SlotProcess, now_seconds: float) -> float:
    if slot.kill_reason is not None or slot.find_running() is not None:
        slot.idle_mark = None
        return inf
    # Only a slot that was checked again and again is killed: if the pool itself was stopped for a
    # while, it has not yet read what its slots have sent.
    mark = slot.mark_activity()
    if mark != slot.idle_mark or now_seconds - slot.idle_seen_seconds > 2 * INACTIVE_LOOK_SECONDS:
        slot.idle_mark, slot.idle_since_seconds = mark, now_seconds
    slot.idle_seen_seconds = now_seconds
    due = _enforce(slot, "mute", 0, slot.idle_since_seconds + INACTIVE_SECONDS, now_seconds)
    return min(due, now_seconds + INACTIVE_LOOK_SECONDS)


def _enforce_grace(slot: SlotProcess, now_seconds: float) -> float:
    if slot.grace_end_seconds is None:
        return inf
    found = slot.find_running()
    if found is None or found[2].number != slot.grace_number:
        slot.grace_end_seconds = None  # it has ended by itself
        return inf
    return _enforce(slot, "cancel", slot.grace_number, slot.grace_end_seconds, now_seconds)


def _find_stuck(slot: SlotProcess, now_seconds: float) -> float:
    if next(slot.list_unstarted(), None) is None:
        return inf
    found = slot.find_running()
    return (now_seconds if found is None else found[2].since_seconds) + STUCK_SECONDS
