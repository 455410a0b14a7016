"""What headrace 0.1 says in its handshake on Python 3.11, so that it can be told what to upgrade.

On Python 3.12 and later it shakes hands as later versions do, and says its version afterwards. On
Python 3.11 it knows HMAC-MD5 alone: a challenge of 20 bytes, and an answer of 16. Nobody is let in
by that. A client or worker that shows the key so is answered in the same way, up to its hello.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable

#: Bytes of a challenge, without the word before it, and of the answer to one.
CHALLENGE_BYTES = 20
ANSWER_BYTES = 16


def is_first_challenge(message: bytes) -> bool:
    """Whether a challenge is one of version 0.1; ``message`` is what follows the word."""
    return len(message) == CHALLENGE_BYTES


def find_first_key(
    find_keys: Callable[[], Iterable[bytes]], message: bytes, answer: bytes
) -> bytes | None:
    """Return which of some keys a client of version 0.1 has shown with its answer, if it has."""
    if len(answer) != ANSWER_BYTES:
        return None
    held = [key for key in find_keys() if hmac.compare_digest(answer_first(key, message), answer)]
    return held[0] if held else None


def answer_first(key: bytes, message: bytes) -> bytes:
    """The answer to a challenge of version 0.1; empty on systems that allow no MD5."""
    try:
        return hmac.digest(key, message, "md5")
    except ValueError:
        return b""
