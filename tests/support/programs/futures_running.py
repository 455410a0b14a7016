"""What runs already cannot be cancelled."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from deeds import doze, square

#: Where it runs: on two processes of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    with ProcessPoolExecutor(WHERE) as executor:
        executor.submit(square, 1).result()
        busy = [executor.submit(doze, 0.6) for _ in range(2)]
        time.sleep(0.3)
        print(busy[0].cancel(), [future.result() for future in busy])
        executor.submit(doze, 0.6)
        time.sleep(0.3)
        executor.shutdown(cancel_futures=True)
        print(busy[0].cancelled(), busy[0].done())
