"""``python -m support.hostile NAME... --address --http --worker-key --client-key``.

Runs peers until standard input is closed, and says what they did as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import threading
import traceback
from collections import Counter

from headrace_wire.address import parse_address
from headrace_wire.errors import BusyError
from support.hostile.holders import HOLDERS
from support.hostile.peer import Place
from support.hostile.prober import probe
from support.hostile.strangers import STRANGERS

#: Seconds for somebody who means well to connect, before anything happens.
READY_SECONDS = 30.0

PEERS = {**STRANGERS, **HOLDERS, "prober": probe}


def main() -> int:
    """Run what is named, each in a thread."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peers", nargs="+", choices=PEERS)
    for option in ("--address", "--http", "--worker-key", "--client-key"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    if options.peers != ["prober"]:
        os.nice(19)  # they would have machines of their own
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    place = Place(
        parse_address(options.address),
        parse_address(options.http),
        options.worker_key.encode(),
        options.client_key.encode(),
    )
    counts: dict[str, Counter[str]] = {name: Counter() for name in options.peers}
    broken: list[str] = []

    def run(name: str) -> None:
        try:
            while True:
                try:
                    return PEERS[name](place, counts[name])
                except BusyError:  # there is no room for it just now, as there should not be
                    counts[name]["no room"] += 1
                    if place.stop.is_set():
                        return None
        except Exception:  # noqa: BLE001 - told below; the others go on
            broken.append(f"{name}: {traceback.format_exc()}")

    threads = [threading.Thread(target=run, args=(name,)) for name in options.peers]
    for thread in threads:
        thread.start()
    if "prober" in options.peers:
        place.ready.wait(READY_SECONDS)
    print("begun", flush=True)
    sys.stdin.read()
    place.stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"counts": counts, "broken": broken}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
