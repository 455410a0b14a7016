"""A server as a whole process, short of file descriptors: ``DESCRIPTORS HANDSHAKE_SECONDS``.

Prints its port, serves until its standard input ends, and logs to standard error.
"""

from __future__ import annotations

import logging
import resource
import sys

from headrace_wire.admission import ServerLimits
from support.wire_server import serve

descriptors, handshake_seconds = int(sys.argv[1]), float(sys.argv[2])
logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
with serve(ServerLimits(handshake_seconds, max_pending=1000)) as served:
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    print(served.address.port, flush=True)
    sys.stdin.read()
