"""Shared state in the store's tables.

shared          one row for each object: its kind, its ``head``, which is everything except its
                items, and the name of the key with which it was opened
shared_items    one row for each item, with the consumer that holds it
shared_answers  one row for each lane of a session: its last request, and the answer to it
"""

from __future__ import annotations

import sqlite3

from headrace_coordinator.shared import events
from headrace_coordinator.shared.objects import Item
from headrace_coordinator.shared.state import StoredObject, StoredState
from headrace_wire.encoding import pack
from headrace_wire.message import decode_trusted, dump
from headrace_wire.messages.shared import SharedAnswer, Stamp

SHARED_SCHEMA = """
CREATE TABLE shared (
    name TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    head BLOB NOT NULL,
    owner TEXT NOT NULL
) STRICT;
CREATE TABLE shared_items (
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL,
    holder BLOB,
    PRIMARY KEY (name, number)
) STRICT;
CREATE TABLE shared_answers (
    session TEXT NOT NULL,
    lane INTEGER NOT NULL,
    number INTEGER NOT NULL,
    answer BLOB NOT NULL,
    PRIMARY KEY (session, lane)
) STRICT;
"""


def write_shared(connection: sqlite3.Connection, event: object) -> None:
    """Write an event of shared state. Other events are ignored."""
    execute = connection.execute
    match event:
        case events.SharedItemKept():
            execute(
                "INSERT OR REPLACE INTO shared_items VALUES (?, ?, ?, ?, NULL)",
                (event.name, event.number, event.key, event.value),
            )
        case events.SharedItemHeld():
            holder = None if event.holder is None else pack(dump(event.holder))
            execute(
                "UPDATE shared_items SET holder = ? WHERE name = ? AND number = ?",
                (holder, event.name, event.number),
            )
        case events.SharedItemsDropped():
            connection.executemany(
                "DELETE FROM shared_items WHERE name = ? AND number = ?",
                [(event.name, number) for number in event.numbers],
            )
        case events.SharedAnswered():
            stamp = event.stamp
            execute(
                "INSERT OR REPLACE INTO shared_answers VALUES (?, ?, ?, ?)",
                (stamp.session, stamp.lane, stamp.number, pack(dump(event.answer))),
            )
        case events.SharedKept():
            execute(
                "INSERT OR REPLACE INTO shared VALUES (?, ?, ?, ?)",
                (event.name, event.kind, event.head, event.owner),
            )
        case events.SharedDeleted():
            execute("DELETE FROM shared WHERE name = ?", (event.name,))
            execute("DELETE FROM shared_items WHERE name = ?", (event.name,))
        case events.SharedSessionGone():
            execute("DELETE FROM shared_answers WHERE session = ?", (event.session,))
        case _:
            pass  # for other listeners


def load_shared(connection: sqlite3.Connection) -> StoredState:
    """Return the stored shared state. Raises sqlite3.Error, ValueError, LookupError and
    HeadraceError.
    """
    execute = connection.execute
    objects = {
        name: StoredObject(name, kind, head, owner, [])
        for name, kind, head, owner in execute("SELECT name, kind, head, owner FROM shared")
    }
    rows = execute("SELECT name, number, key, value, holder FROM shared_items ORDER BY number")
    for name, number, key, value, holder in rows:
        stamp = decode_trusted(Stamp, holder) if holder else None
        objects[name].items.append(Item(number, value, key, stamp))
    answers = execute("SELECT session, lane, number, answer FROM shared_answers")
    return StoredState(
        list(objects.values()),
        [
            (Stamp(session, lane, number), decode_trusted(SharedAnswer, answer))
            for session, lane, number, answer in answers
        ],
    )
