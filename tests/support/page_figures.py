"""Figures as the page writes them, in Python and in the browser: function, arguments, text."""

from __future__ import annotations

from typing import Any

from headrace_wire.messages.views import ClusterEvent
from headrace_wire.printing import clean_text

#: Every character that a page may be sent, apart from most of those that need four bytes.
CHARACTERS = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x10000), *range(0xE0000, 0xE0100)]))

#: Events, the newest first: few workers come, a job, and many workers.
CROWD = [
    *(ClusterEvent(n, 0.0, "worker-joined", "", f"w{n}", "2 slots") for n in (203, 202, 201)),
    ClusterEvent(200, 0.0, "job-submitted", "job", "", "submitted"),
    *(ClusterEvent(n, 0.0, "worker-joined", "", f"w{n}", "2 slots") for n in range(199, -1, -1)),
]

CASES: list[tuple[str, list[Any], str]] = [
    ("clean", ["a\x1b[2Jb\u202ec\r\nd\te\rf\U000e0001"], "a\\x1b[2Jb\\u202ec\nd\te\\rf\\U000e0001"),
    ("clean", [CHARACTERS], clean_text(CHARACTERS)),
    ("count", [0], "0"),
    ("count", [1234567], "1,234,567"),
    ("amount", [0], "0"),
    ("amount", [1200], "1,200"),
    ("amount", [2.0004], "2"),
    ("amount", [1234.5], "1,234.5"),
    ("amount", [1e15], "1e+15"),
    ("amount", [1234567890123456789], "1.23457e+18"),
    ("amount", [1e30], "1e+30"),
    ("things", [1, "task"], "1 task"),
    ("things", [2000, "task"], "2,000 tasks"),
    ("duration", [0], "0 s"),
    ("duration", [0.0000123], "12 µs"),
    ("duration", [0.0042], "4.2 ms"),
    ("duration", [0.4504], "450 ms"),
    ("duration", [0.9996], "1.0 s"),
    ("duration", [9.94], "9.9 s"),
    ("duration", [9.96], "10 s"),
    ("duration", [59.7], "1 min 00 s"),
    ("duration", [200.2], "3 min 20 s"),
    ("duration", [3599.6], "1 h 00 min"),
    ("duration", [7530], "2 h 05 min"),
    ("duration", [273600], "3 d 4 h"),
    ("size", [0], "0 B"),
    ("size", [999], "999 B"),
    ("size", [31_240_000], "31.2 MB"),
    ("size", [8 << 30], "8.6 GB"),
    ("size", [5e15], "5000.0 TB"),
    ("rate", [0], ""),
    ("rate", [3412.4], "3,412/s"),
    ("rate", [9.94], "9.9/s"),
    ("rate", [2.0], "2/s"),
    ("rate", [0.42], "0.4/s"),
    ("rate", [0.05], "3/min"),
    ("rate", [0.0005], "1.8/h"),
    ("percent", [0, 0], "0 %"),
    ("percent", [0, 10], "0 %"),
    ("percent", [1, 1000], "<1 %"),
    ("percent", [999, 1000], "99 %"),
    ("percent", [10, 10], "100 %"),
    ("age", [100.0, 90.0], "0 s ago"),
    ("age", [100.0, 219.0], "119 s ago"),
    ("age", [100.0, 221.0], "2 min ago"),
    ("age", [0.0, 86400.0 * 1000], "1,000 d ago"),
    ("tasks", [7, 8], "task 7"),
    ("tasks", [1000, 2001], "tasks 1,000 to 2,000"),
]
