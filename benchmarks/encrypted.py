"""What TLS costs: ``python -m benchmarks.encrypted [ROUNDS]``.

The same cluster plain and encrypted, each on loopback, in turn round after round. Prints the
medians and the ratio, which is the median of the rounds' own.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable

from benchmarks.measures import PAYLOAD_BYTES, measure_latency, measure_map, measure_payload
from benchmarks.systems.headrace_cluster import HeadraceCluster
from benchmarks.tasks import noop

#: How often each is measured when nothing is said.
ROUNDS = 5

#: Seconds of calls, and the payloads of a round.
SECONDS = 1.0
PAYLOADS = 64


def measure_calls(cluster: HeadraceCluster) -> float:
    """Calls that change nothing, a second, over one connection."""
    info = cluster.pool.cluster.engine.jobs.info
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS:
        info()
        count += 1
    return count / (time.perf_counter() - begin)


def measure_upload(cluster: HeadraceCluster) -> float:
    """Megabytes a second that one client puts into a shared queue, 1 MiB at a time."""
    queue = cluster.pool.cluster.queue("upload")
    payload = os.urandom(PAYLOAD_BYTES)
    begin = time.perf_counter()
    for _ in range(PAYLOADS):
        queue.put(payload)
    seconds = time.perf_counter() - begin
    cluster.pool.cluster.delete_shared("upload")
    return PAYLOADS * PAYLOAD_BYTES / 1e6 / seconds


MEASURES: dict[str, Callable[[HeadraceCluster], float]] = {
    "`info`, one connection, calls/s": measure_calls,
    "1 MiB into shared state, one connection, MB/s": measure_upload,
    "1 MiB there and back in tasks, MB/s": lambda one: measure_payload(one)["mb_per_second"],
    "no-op tasks by `map`, tasks/s": lambda one: measure_map(one)["tasks_per_second"],
    "median of one `apply`, ms": lambda one: measure_latency(one)["p50_ms"],
}


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    clusters = [HeadraceCluster("off"), HeadraceCluster("on")]
    try:
        for cluster in clusters:
            cluster.start()
            cluster.call(noop, 0)
        print("| measure | plain | TLS | ratio | rounds |\n| --- | ---: | ---: | ---: | --- |")
        for name, measure in MEASURES.items():
            pairs = [[measure(cluster) for cluster in clusters] for _ in range(rounds)]
            plain, encrypted = (statistics.median(each) for each in zip(*pairs, strict=True))
            ratios = sorted(with_tls / without for without, with_tls in pairs)
            print(
                f"| {name} | {plain:.4g} | {encrypted:.4g} | {statistics.median(ratios):.2f} "
                f"| {ratios[0]:.2f} to {ratios[-1]:.2f} |",
                flush=True,
            )
    finally:
        for cluster in clusters:
            cluster.stop()


if __name__ == "__main__":
    main()
