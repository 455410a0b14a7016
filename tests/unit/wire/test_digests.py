"""Processes that serve do without OpenSSL, and nobody else notices."""

from __future__ import annotations

import subprocess
import sys

#: What both kinds of hmac give.
COMPARISON = """
import sys
from headrace_wire.digests import keep_openssl_out

keep_openssl_out()
import hmac
light = [hmac.digest(b"key", b"message", name) for name in ("md5", "sha256")]
assert "_hashlib" not in sys.modules
import hashlib
assert "_hashlib" in sys.modules and hasattr(hashlib, "scrypt")
del sys.modules["hmac"]
import hmac
assert light == [hmac.digest(b"key", b"message", name) for name in ("md5", "sha256")]
"""

#: Whoever has OpenSSL already keeps it.
TOO_LATE = """
import sys, hashlib
from headrace_wire.digests import keep_openssl_out

keep_openssl_out()
assert sys.modules["hashlib"] is hashlib and sys.modules["_hashlib"]
"""


def run(program: str) -> None:
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_digests_are_the_same_and_openssl_is_there_for_others() -> None:
    run(COMPARISON)


def test_what_is_loaded_stays_as_it_is() -> None:
    run(TOO_LATE)
