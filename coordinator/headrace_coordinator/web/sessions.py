"""Sessions of the page: what a cookie contains instead of a key.

    <mark of the key>.<role>.<when it was made>.<random>.<HMAC-SHA256(secret, all that)>

So nothing has to be stored, sessions survive a restart, and somebody who reads a cookie does not
get the key. A session ends when it is too old, when its user logs out, and at once when its key
becomes invalid.
"""

from __future__ import annotations

import hmac
import secrets
import time

from msgspec import Struct

#: How many seconds a session lasts, and after how many seconds a visit to a page renews it.
SESSION_SECONDS = 7 * 86400.0
RENEWED_SECONDS = 86400.0

#: How many of the newest ended sessions are remembered, until they would have ended anyway.
MAX_ENDED = 10_000

#: The maximum length of a session's text.
MAX_CHARACTERS = 200


class Session(Struct, frozen=True):
    """One login. ``mark`` identifies its key; ``role`` may be less than that of the key."""

    text: str
    mark: str
    role: str
    made_at: float

    @property
    def wants_renewal(self) -> bool:
        return time.time() - self.made_at > RENEWED_SECONDS


class Sessions:
    """Makes and verifies sessions."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"headrace page", "sha256")
        self._ended: dict[str, None] = {}

    def make(self, mark: str, role: str) -> Session:
        """Make a session for the key with this mark."""
        made_at = int(time.time())
        said = f"{mark}.{role}.{made_at}.{secrets.token_hex(16)}"
        return Session(f"{said}.{self._sign('session', said)}", mark, role, made_at)

    def find(self, text: str) -> Session | None:
        """Return the session of a cookie; None if it is invalid or has ended."""
        said, _, signature = text.rpartition(".")
        if len(text) > MAX_CHARACTERS or not text.isascii():
            return None
        if not hmac.compare_digest(self._sign("session", said), signature):
            return None
        mark, role, made_at, _ = said.split(".")
        age = time.time() - int(made_at)
        if text in self._ended or not -60.0 <= age <= SESSION_SECONDS:
            return None
        return Session(text, mark, role, float(made_at))

    def end(self, session: Session) -> None:
        """End a session."""
        self._ended[session.text] = None
        while len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]

    def make_csrf(self, session: Session) -> str:
        """Return the token that a change requires besides the cookie, and that other sites cannot
        know.
        """
        return self._sign("csrf", session.text)

    def _sign(self, what: str, said: str) -> str:
        return hmac.digest(self._key, f"{what} {said}".encode(), "sha256").hex()
