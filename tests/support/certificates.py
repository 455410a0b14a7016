"""Certificates for tests, made once in a process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from headrace_coordinator.certificate import make_certificate
from headrace_wire.tls import ServerTls


@functools.cache
def make_tls(name: str = "coordinator") -> ServerTls:
    """What a server encrypts with; each name has another certificate."""
    del name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "certificate.pem")
        path.write_text(make_certificate())
        return ServerTls(path, path)
