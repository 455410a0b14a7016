"""What a hostile peer is told, and what it tells."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from headrace_wire.address import Address


@dataclass
class Place:
    """Where a coordinator is, and the keys that some peers hold."""

    address: Address
    http: Address
    worker_key: bytes
    client_key: bytes
    stop: threading.Event = field(default_factory=threading.Event)
    #: Set by somebody who means well, when his connection is there.
    ready: threading.Event = field(default_factory=threading.Event)


#: Does ill until ``stop`` is set, and counts what it does. What it meets at the other end
#: (refusals, closed connections) is for it to count, too.
Peer = Callable[[Place, Counter[str]], None]
