"""A call of each method of the API, and values that nobody should put into one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from headrace_wire.batch import pack_batch
from headrace_wire.bounds import MAX_COUNTERS, MAX_ENTRIES

BATCH = pack_batch([b"value"])
SPEC = ["new", "images", "blur", b"\x80", 5, False, "name", 0, 1.0, 1, 0.5, 60.0, False, "f"]
RUN = [0, "job", 0, 1, BATCH, 0.1, 0.1, {"counter": 1.0}]
FAILURE = [0, "job", 1, 1, "error", "", "E", "m", "t", "s", "w", 0.1, 0.1, b""]
SAMPLE = ["headrace_cpu_seconds", ["service", "images", "operation", "blur"], 1.0, []]
LINE = [1.0, "info", "w", 0, "text"]
CALL = [["session", 0, 1], "value", "value", "set", [b"\x00"], [], 0.0]

#: A call of each method as it should be, with nothing to wait for.
CALLS: dict[str, list[Any]] = {
    "jobs.submit": [SPEC],
    "jobs.put": ["streamed", 0, BATCH],
    "jobs.read": ["data"],
    "jobs.seal": ["streamed", 0],
    "jobs.status": ["job"],
    "jobs.jobs": [0, True, [["queued"], "images", 0.0, 5, "job", "admin", False]],
    "jobs.count_jobs": [[["queued"], "images", 0.0, 5, "b", "", True]],
    "jobs.match": ["job"],
    "jobs.cancel": ["other"],
    "jobs.retry": ["other"],
    "jobs.replay": ["other", [0]],
    "jobs.withdraw": ["other", [0, 1], False],
    "jobs.delete": ["gone"],
    "jobs.progress": ["job", 10],
    "jobs.slowest": ["job", 10],
    "jobs.task_runs": ["job", 0, 10, 10],
    "jobs.task_times": ["job"],
    "jobs.workers": [],
    "jobs.info": [],
    "jobs.worker": ["w"],
    "jobs.running": ["job", 10],
    "jobs.drain": ["nobody"],
    "jobs.overview": [],
    "jobs.timeline": [0.0],
    "jobs.events": [[0, 0.0, 10, "job", 5]],
    "jobs.register": [
        ["w", "name", "host", 1, 1, "", "spawn", "0", {"images": "x"}, 1.5, 0, "3.11",
         "pool"],
        [[7, "job", 0, 1, 1, 1, "0123:1:worker"]],
    ],
    "jobs.lease": [["w", 1, 1, 0.0, ["job"]]],
    "jobs.heartbeat": [["w", 0, [7], 0, 0, False, 0.0, 0, [["job", 0, "w", 0.5, 1.0]],
                        [["job", 0, 1, "", 1, 0.5, 1000]], 50.0]],
    "jobs.leave": ["nobody"],
    "results.report": [["w", 1, [RUN], [FAILURE], [[7, "job", 2, 3]], [SAMPLE],
                        [["job", [LINE]]], [[7, "job", 0, 3, 1, 1, "0123:1:worker"]]]],
    "results.fetch": [["job", 0, True, 1000, 0.0, 10**6]],
    "results.collect": [["owned", 0, 0, 1000, 0.0, 0.0, [[0, 1]]]],
    "results.failures": ["job", 0, 10],
    "results.failure_groups": ["job"],
    "results.logs": [["job", 0, 0.0]],
    "results.acknowledge": ["gone"],
    "shared.open": [["value", "value", b"\x00", 0]],
    "shared.read": [["", 0, 0], "value", "value", "get", [], [], 0.0],
    "shared.change": [CALL],
    "shared.beat": [["session", [["session", 1, 1]], [["queue", 1]]]],
    "shared.leave": ["nobody"],
    "shared.names": [""],
}  # fmt: skip
CALLS["shared.read"] = [CALLS["shared.read"]]

#: What is put in place of any value. What is long exceeds every bound that there is for its kind.
HOSTILE: dict[str, Any] = {
    "nothing": None, "zero": 0, "minus one": -1, "2^63": 2**63, "2^64-1": 2**64 - 1,
    "-2^63": -(2**63), "2^62": 2**62, "true": True, "nan": math.nan, "inf": math.inf,
    "-inf": -math.inf, "1e308": 1e308, "5e-324": 5e-324, "no text": "", "long text": "x" * 10**6,
    "surrogate": "\udcff", "nul": "a\x00b", "escape": "\x1b]0;x\x07\x1b[2J", "lines": "a\nb",
    "bidi": "\u202e", "no bytes": b"", "bytes": b"\xc1", "lying batch": b"\xdd\xff\xff\xff\xff",
    "deep": b"\x91" * 5000, "empty list": [], "long list": [0] * (2 * MAX_ENTRIES),
    "lists": [[[]]] * 1000, "map": {"a": 1},
    "large map": {str(number): float(number) for number in range(100 * MAX_COUNTERS)},
}  # fmt: skip

#: MessagePack that is none, or claims more than there is.
BROKEN = [
    b"", b"\xc1", b"\xc1\x00", b"\xc1\x01", b"\x91" * 5000, b"\x81\x90\x01", b"\xa3\xff\xfe\xfd",
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
    b"\xc9\xff\xff\xff\xff\x02", b"\xc7\x05\x02\x92\xa1e\xa1m", b"\xd6\xff\x00\x00\x00\x00",
]  # fmt: skip


def list_places(tree: Any) -> Iterator[Callable[[Any], None]]:
    """Each place in nested lists and maps, as a function that puts something there."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(tree, list):
        pairs = list(enumerate(tree))
    elif isinstance(tree, dict):
        pairs = list(tree.items())
    for place, inner in pairs:

        def put(value: Any, place: Any = place) -> None:
            tree[place] = value

        yield put
        yield from list_places(inner)
