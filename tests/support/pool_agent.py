"""A small program with a pool, for tests that need a whole process: ``METHOD DEED [PATH]``.

Without the usual guard: slots must not import the program that started the pool.
"""

from __future__ import annotations

import sys

from headrace_wire.encoding import pack
from headrace_wire.messages.reports import DoneSpan
from headrace_worker.pool.batch import Batch
from support.polled_pool import Pool
from support.pool_probe_service import LOADER

method, deed, *rest = sys.argv[1:]
with Pool(2, method, loader=LOADER) as pool:
    acts: dict[str, object]
    if deed == "print":
        acts = {"print": [[], "said by a task"]}
    else:
        # Mark the start of two tasks, then keep both slots busy without ever giving up the GIL
        # for longer than the interpreter makes them.
        acts = {"mark": [[], rest[0]], "spin": [[], 3600]}
    pool.submit(Batch(1, "job", "probe", "act", pack(acts), 0, 2))
    while pool.outstanding:
        for event in pool.poll():
            assert isinstance(event, DoneSpan), event
    sys.stdout.write("the result\n")
