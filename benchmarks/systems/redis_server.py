"""A Redis server of our own, with nothing on disk."""

from __future__ import annotations

import shutil
import subprocess

from benchmarks.systems.processes import Processes, find_free_port, wait_for_port

#: Where workers and the modules they import find the server's address.
URL_VARIABLE = "BENCHMARKS_REDIS_URL"


def start_redis(processes: Processes) -> str:
    """Start a server and give its address when it answers. Raises RuntimeError without one."""
    port = find_free_port()
    processes.start(
        [_find_program(), "--port", str(port), "--bind", "127.0.0.1",
         "--save", "", "--appendonly", "no"],
    )  # fmt: skip
    wait_for_port(port)
    return f"redis://127.0.0.1:{port}/0"


def read_redis_version() -> str:
    command = [_find_program(), "--version"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=...
    return output.partition("v=")[2].split()[0]


def _find_program() -> str:
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError(
            "there is no redis-server: install it (apt install redis-server) or leave out"
            " the systems that need a broker"
        )
    return program
