"""The handshake of headrace 0.1 on Python 3.11, so that such a peer can be told what to upgrade.

On Python 3.12 and later, its handshake is that of later versions, and it sends its version
afterwards. On Python 3.11 it only knows HMAC-MD5: a challenge of 20 bytes, and an answer of 16.
This admits nobody. A client or worker that proves the key like this is answered in the same way, up
to its hello.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable

#: The size of a challenge, without the prefix, and of the answer to it, in bytes.
CHALLENGE_BYTES = 20
ANSWER_BYTES = 16


def is_first_challenge(message: bytes) -> bool:
    """Return whether a challenge is one of version 0.1; ``message`` is what follows the prefix."""
    return len(message) == CHALLENGE_BYTES


def find_first_key(
    find_keys: Callable[[], Iterable[bytes]], message: bytes, answer: bytes
) -> bytes | None:
    """Return which of some keys a client of version 0.1 has proven with its answer, if any."""
    if len(answer) != ANSWER_BYTES:
        return None
    held = [key for key in find_keys() if hmac.compare_digest(answer_first(key, message), answer)]
    return held[0] if held else None


def answer_first(key: bytes, message: bytes) -> bytes:
    """Return the answer to a challenge of version 0.1; empty on systems that do not allow MD5."""
    try:
        return hmac.digest(key, message, "md5")
    except ValueError:
        return b""
