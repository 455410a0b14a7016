"""What waits can be cancelled, at the end as well."""

from __future__ import annotations

import concurrent.futures
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from deeds import doze, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    told: list[str] = []
    with ProcessPoolExecutor(WHERE) as executor:
        executor.submit(square, 1).result()
        busy = [executor.submit(doze, 0.4) for _ in range(5)]
        last = executor.submit(doze, 0.4)
        last.add_done_callback(lambda future: told.append(f"cancelled: {future.cancelled()}"))
        print(last.cancel(), last.cancelled(), last.done())
        try:
            last.result()
        except concurrent.futures.CancelledError as error:
            print(type(error).__name__)
        print([future.result() for future in busy], told)

    executor = ProcessPoolExecutor(WHERE)
    executor.submit(square, 1).result()
    busy = [executor.submit(doze, 0.6) for _ in range(2)]
    time.sleep(0.3)
    waiting = [executor.submit(doze, 0.3) for _ in range(20)]
    executor.shutdown(cancel_futures=True)
    print([future.result() for future in busy], waiting[-1].cancelled())
