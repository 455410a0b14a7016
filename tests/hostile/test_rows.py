"""Every kind of hostile peer alone, and all at once, for as long as ``HOSTILE_SECONDS`` says.

``make hostile`` runs these one after the other, and shows what came of each as a table. They are
strict with times, so they are for a machine that does nothing else; ``tests/acceptance`` has a
short form for any.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.hostile.holders import HOLDERS
from support.hostile.siege import HEAD, SLOTS, Row, Siege, open_siege
from support.hostile.strangers import STRANGERS

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Peers that are only tried alone: they take what the machine itself has not.
ALONE = {"stalled-giants"}

EVERYBODY = [name for name in (*STRANGERS, *HOLDERS) if name not in ALONE]

#: Descriptors of a coordinator that has few.
FEW_FILES = 256

#: A coordinator as it is where other machines can connect.
TLS = ("--tls", "on")

ROWS: list[tuple[str, Sequence[str], int | None, Sequence[str]]] = [
    *((name, [name], None, ()) for name in (*STRANGERS, *HOLDERS)),
    ("strangers", list(STRANGERS), None, ()),
    ("everybody", EVERYBODY, None, ()),
    ("tls: silent", ["silent-500"], None, TLS),
    ("tls: hellos", ["stalled-hellos"], None, TLS),
    ("tls: garbage", ["garbage"], None, TLS),
    ("tls: keys", ["wrong-keys"], None, TLS),
    ("tls: all", EVERYBODY, None, TLS),
    ("few files: silent", ["silent-500"], FEW_FILES, ()),
    ("few files: http", ["http-slow"], FEW_FILES, ()),
    ("few files: key", ["many-connections"], FEW_FILES, ()),
    ("few files: all", EVERYBODY, FEW_FILES, TLS),
]

#: With ``HOSTILE_ROWS=together`` only those rows in which all of them come at once.
TOGETHER = {"strangers", "everybody", "tls: all", "few files: all"}
if os.environ.get("HOSTILE_ROWS", "all") == "together":
    ROWS = [row for row in ROWS if row[0] in TOGETHER]

#: Seconds for each: what takes longer is starting, and waiting for what comes back.
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "120")) / len(ROWS) / 2

#: What an established connection may wait, at the 99th percentile.
ANSWER_MS = float(os.environ.get("HOSTILE_ANSWER_MS", "100"))

#: Where the table is written.
TABLE = Path(os.environ.get("HOSTILE_TABLE", ".hostile-table"))

#: What may stay of the memory: an allocator's own holes; and where all come at once and for longer,
#: what jobs, sessions and counters of key holders may take for as long as they are remembered.
KEPT_MIB = 24
KEPT_TOGETHER_MIB = 48
KEPT_FILES = 2
KEPT_TOGETHER_FILES = 8

#: Memory that peers together may take of the coordinator, whatever they send: what frames that
#: arrive may have, a frame beyond that, and the rest.
MOST_MIB = 512 + 256 + 64

#: Lines that strangers may add to the log, however many they are.
STRANGERS_LINES = 60

#: What a page of metrics may grow to, whatever names jobs and workers have.
PAGE_BYTES = 3_000_000


def find_kept(peers: Sequence[str]) -> tuple[int, int]:
    """MiB and descriptors that may stay. Readers of the store come as they are needed, and stay."""
    if len(peers) > 1:
        return KEPT_TOGETHER_MIB, KEPT_TOGETHER_FILES
    return KEPT_MIB, KEPT_FILES


def check_row(row: Row, siege: Siege) -> None:
    """Everything that is promised."""
    assert not row.broken, row.broken[0]
    assert row.is_right, "the honest job is not whole, or not right"
    assert row.workers == SLOTS, "an honest worker is gone"
    assert row.served.get("lost", 0) == 0, "an established connection was lost"
    assert row.served.get("kept out", 0) == 0, "a new client was kept out"
    assert row.served.get("let in", 0) > 0
    assert all("LET IN" not in counts for counts in row.load.values())
    before, most, after = row.memory_mib
    kept_mib, kept_files = find_kept(list(row.load))
    assert after <= before + kept_mib, f"{after - before:.0f} MiB of memory did not come back"
    assert most <= before + MOST_MIB, f"{most - before:.0f} MiB of memory were taken"
    assert row.files[2] <= row.files[0] + kept_files, "descriptors did not come back"
    assert row.page_bytes < PAGE_BYTES, f"{row.page_bytes} bytes of metrics"
    if set(row.load) <= set(STRANGERS):
        assert row.log_lines <= STRANGERS_LINES, f"{row.log_lines} lines in the log"
    waited = (row.served["p99"] - siege.quiet["p99"]) / 1000
    assert waited <= ANSWER_MS, f"answers took {waited:.0f} ms longer"


@pytest.mark.parametrize(
    ("name", "peers", "files", "options"),
    [pytest.param(*row, id=row[0]) for row in ROWS],
)
def test_peers_that_mean_ill_do_no_harm(
    name: str, peers: Sequence[str], files: int | None, options: Sequence[str], tmp_path: Path
) -> None:
    with open_siege(tmp_path, files, *options) as siege:
        kept_mib, kept_files = find_kept(peers)
        row = siege.bear(name, peers, SECONDS, kept_mib - 1, kept_files)
        with TABLE.open("a") as table:
            if not table.tell():
                table.write(f"{HEAD}\n")
            table.write(f"{row.show()}\n")
        check_row(row, siege)
