"""Peers with a key, of a client or of a worker: they send what they should not, or far too much."""

from __future__ import annotations

import contextlib
import copy
import os
import random
import struct
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

from headrace_wire.api import APIS
from headrace_wire.batch import pack_batch
from headrace_wire.calling import encode_call, greet
from headrace_wire.connection import MsgpackConnection, dial
from headrace_wire.errors import HeadraceError
from headrace_wire.manager import Proxy, QueueManager
from headrace_wire.messages.jobs import DATA_SERVICE
from support.calls_of_api import BROKEN, CALLS, HOSTILE, SPEC, list_places
from support.hostile.peer import Peer, Place

#: Seconds for one answer.
ANSWER_SECONDS = 5.0

MIB = 1 << 20

#: How a worker's machine is told at the end of its introduction.
MACHINE = [1.0, 0, "3.11", "pool"]

#: Small jobs that are there at a time.
SMALL_JOBS = 200


def open_link(place: Place, key: bytes, name: str = "jobs") -> MsgpackConnection:
    """A connection on which anything can be sent."""
    until = time.monotonic() + ANSWER_SECONDS
    link = dial(place.address, key, until)
    greet(link, name, until)
    link.set_stall_limit(ANSWER_SECONDS)
    return link


def send_raw(link: MsgpackConnection, data: bytes) -> None:
    """Send bytes that are no frame."""
    link._socket.settimeout(link._measure_left())
    link._socket.sendall(data)


def open_proxies(place: Place, key: bytes) -> dict[str, Proxy]:
    """All served objects."""
    return {name: Proxy(name, place.address, key, ANSWER_SECONDS) for name in APIS}


def close(proxies: dict[str, Proxy]) -> None:
    """Close their connections."""
    for proxy in proxies.values():
        proxy.close()


@contextlib.contextmanager
def noting(counts: Counter[str], done: str) -> Iterator[None]:
    """Count something that was done, or in which way it was refused."""
    try:
        yield
    except (EOFError, OSError):
        counts["cut"] += 1
    except HeadraceError as error:
        counts[type(error).__name__.removesuffix("Error")] += 1
    else:
        counts[done] += 1


def send_wrong_frames(place: Place, counts: Counter[str]) -> None:
    """Get as far as a session, and send a frame that is no call."""
    for frame in _repeat([*BROKEN, os.urandom(1000), b"\x94\xc0\xa6delete" + b"\x91" * 5000]):
        if place.stop.is_set():
            return
        with noting(counts, "sent"):
            link = open_link(place, place.client_key)
            try:
                link.send_parts([frame])
                with contextlib.suppress(EOFError, ConnectionError):
                    link.receive()
            finally:
                link.close()


def send_wrong_values(place: Place, counts: Counter[str], *, role: str) -> None:
    """Call every method with one value after the other replaced."""
    proxies = open_proxies(place, place.client_key if role == "client" else place.worker_key)
    chosen = random.Random(1)
    values = [one for name, one in HOSTILE.items() if "long" not in name and "large" not in name]
    while not place.stop.is_set():
        spot = chosen.choice(list(CALLS))
        arguments = copy.deepcopy(CALLS[spot])
        places = list(list_places(arguments))
        if places:
            chosen.choice(places)(chosen.choice(values))
        name, _, method = spot.partition(".")
        with noting(counts, "called"):
            proxies[name].call(method, arguments, time.monotonic() + ANSWER_SECONDS)
    close(proxies)


def send_large_arrays(place: Place, counts: Counter[str], *, mib: int) -> None:
    """Send calls whose arguments are millions of empty arrays: 1 byte here, 60 there."""
    block = b"\xdd" + struct.pack("!I", MIB - 1) + b"\x90" * (MIB - 1)
    frame = b"\x94\xc0\xa6status\xdc" + struct.pack("!H", mib) + block * mib + b"\x80"
    while not place.stop.is_set():
        with noting(counts, "sent"):
            link = open_link(place, place.client_key)
            try:
                link.send_parts([frame])
                with contextlib.suppress(EOFError, ConnectionError):
                    link.receive()
            finally:
                link.close()


def stall(place: Place, counts: Counter[str], *, many: int, mib: int) -> None:
    """Announce frames, send a part of them, and no more."""
    links: list[MsgpackConnection] = []
    for _ in range(many):
        with noting(counts, "held"):
            link = open_link(place, place.client_key)
            links.append(link)
            send_raw(link, struct.pack("!i", 2 * mib * MIB) + bytes(mib * MIB))
    place.stop.wait()
    for link in links:
        link.close()


def read_nothing(place: Place, counts: Counter[str], *, many: int, mib: int) -> None:
    """Ask for what is large, on many connections, and read none of it."""
    data = f"data-{os.getpid()}"
    proxies = open_proxies(place, place.client_key)
    with noting(counts, "kept"):
        proxies["jobs"].call("submit", [[data, DATA_SERVICE, "keep", b"\x80", None, True]])
        with contextlib.closing(QueueManager(place.address, place.client_key)) as manager:
            manager.jobs().put(data, 0, pack_batch([bytes(mib * MIB)]))
    links: list[MsgpackConnection] = []
    for _ in range(many):
        if place.stop.is_set():
            break
        with noting(counts, "asked"):
            link = open_link(place, place.client_key)
            links.append(link)
            link.send_parts(encode_call("jobs", "read", [data]))
    place.stop.wait()
    for link in links:
        link.close()
    with noting(counts, "deleted"):
        proxies["jobs"].call("delete", [data])
    close(proxies)


def connect_often(place: Place, counts: Counter[str], *, many: int) -> None:
    """Open so many connections with a key, and keep them."""
    links: list[MsgpackConnection] = []
    for _ in range(many):
        if place.stop.is_set():
            break
        with noting(counts, "opened"):
            links.append(open_link(place, place.client_key))
    counts["held"] = len(links)
    place.stop.wait()
    for link in links:
        link.close()


def submit_often(place: Place, counts: Counter[str]) -> None:
    """Submit small jobs with operations that there are not, and take them back at the end."""
    proxies = open_proxies(place, place.client_key)
    jobs: list[str] = []
    while not place.stop.is_set():
        job = f"small-{os.getpid()}-{len(jobs)}"
        spec = [job, "primes", f"op{len(jobs)}", b"\x80", 1, False, "n" * 200, *SPEC[7:]]
        with noting(counts, "submitted"):
            proxies["jobs"].call("submit", [spec])
        jobs.append(job)
        if len(jobs) > SMALL_JOBS:
            with noting(counts, "deleted"):
                proxies["jobs"].call("delete", [jobs[-SMALL_JOBS]])
    for job in jobs[-SMALL_JOBS:]:
        with contextlib.suppress(HeadraceError):
            proxies["jobs"].call("delete", [job])
    close(proxies)


def forge(place: Place, counts: Counter[str]) -> None:
    """Report wrong values for tasks of every job, under leases of others; claim their leases."""
    proxies = open_proxies(place, place.worker_key)
    clients = open_proxies(place, place.client_key)
    number, me = 0, f"forger-{os.getpid()}"
    wrong = pack_batch([b"forged"])
    while not place.stop.is_set():
        number += 1
        for status in clients["jobs"].call("jobs", [0, False, None])[:5]:
            if not status.name.startswith("honest"):
                continue
            for worker in [me, *(one.id for one in clients["jobs"].call("workers", []))]:
                for lease in range(1, 40):
                    run = [lease, status.id, lease, lease + 1, wrong, 0.0, 0.0, {}]
                    proof = f"{os.urandom(16).hex()}:1:worker"
                    claim = [lease, status.id, lease, lease + 1, 1, 1, proof]
                    with noting(counts, "taken in"):
                        report = [worker, 10**9 + number, [run], [], [], [], [], [claim]]
                        proxies["results"].call("report", [report])
                if place.stop.is_set():
                    break
            info = [me, me, "host", 1, 1, "", "spawn", "0", {"nobody": "x"}, *MACHINE]
            held = [
                [lease, status.id, lease, lease + 5, 1, 1, "0" * 32 + ":1:worker"]
                for lease in range(1, 200)
            ]
            with noting(counts, "registered"):
                proxies["jobs"].call("register", [info, held])
    with contextlib.suppress(HeadraceError):
        proxies["jobs"].call("leave", [me])
    close(proxies)
    close(clients)


def register_often(place: Place, counts: Counter[str]) -> None:
    """Register one worker after the other, with names as long as may be."""
    proxies = open_proxies(place, place.worker_key)
    number = 0
    while not place.stop.is_set():
        number += 1
        name = f"w{os.getpid()}-{number}"
        long, services = (name + "x" * 60)[:60], {f"svc{number}": "x"}
        info = [name, long, "h", 1, 1, "", "spawn", "0", services, *MACHINE]
        with noting(counts, "registered"):
            proxies["jobs"].call("register", [info, []])
    close(proxies)


def share_often(place: Place, counts: Counter[str]) -> None:
    """Make sessions of shared state, one after the other, each with fifty lanes."""
    proxies = open_proxies(place, place.client_key)
    number = 0
    while not place.stop.is_set():
        number += 1
        session = f"s{os.getpid()}-{number}"
        with noting(counts, "sessions"):
            lanes = [[session, lane, 1] for lane in range(50)]
            proxies["shared"].call("beat", [[session, lanes, []]])
    close(proxies)


def _repeat(frames: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from frames


HOLDERS: dict[str, Peer] = {
    "wrong-frames": send_wrong_frames,
    "client-values": partial(send_wrong_values, role="client"),
    "worker-values": partial(send_wrong_values, role="worker"),
    "large-arrays": partial(send_large_arrays, mib=4),
    "stalled-frames": partial(stall, many=8, mib=16),
    "stalled-giants": partial(stall, many=12, mib=100),
    "unread-answers": partial(read_nothing, many=20, mib=8),
    "many-connections": partial(connect_often, many=1100),
    "small-jobs": submit_often,
    "forged-leases": forge,
    "many-workers": register_often,
    "many-sessions": share_often,
}
