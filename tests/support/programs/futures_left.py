"""An executor that nobody shuts down: Python waits for its calls at the end."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from deeds import doze

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    executor = ProcessPoolExecutor(WHERE)
    for number in (0.2, 0.5):
        executor.submit(doze, number).add_done_callback(
            lambda future: print(future.result(), flush=True)
        )
    print("the program is at its end", flush=True)
