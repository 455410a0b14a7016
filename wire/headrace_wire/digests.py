"""The handshake's digests without OpenSSL, for processes that serve.

multiprocessing.connection asks hmac, and that loads OpenSSL where it is there: 2 to 3 MiB and a few
milliseconds in each process, for two digests a connection. Where it cannot be imported, hmac takes
the interpreter's own digests, which are as good.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def keep_openssl_out() -> None:
    """Have hmac make do without OpenSSL, in a process that has not imported it yet.

    Whoever imports hashlib later gets it whole.
    """
    modules: dict[str, Any] = sys.modules
    if {"_hashlib", "hashlib", "hmac"} & modules.keys() or not find_spec("_md5"):
        return  # too late, or an interpreter that has no digests of its own
    modules["_hashlib"] = None
    try:
        import_module("hmac")
    finally:
        del modules["_hashlib"]
        modules.pop("hashlib", None)
