"""Sessions of the page: what a cookie holds in place of a key.

    <mark of the key>.<role>.<when it was made>.<random>.<HMAC-SHA256(secret, all that)>

So nothing has to be kept, sessions survive a restart, and whoever reads a cookie has no key. One
ends when it is old, when its user logs out, and at once when its key is taken no more.
"""

from __future__ import annotations

import hmac
import secrets
import time

from msgspec import Struct

#: Seconds from a login to its end, and from when on a page that is looked at renews it.
SESSION_SECONDS = 7 * 86400.0
RENEWED_SECONDS = 86400.0

#: Sessions that were ended are remembered until they would have ended anyway, the newest of them.
MAX_ENDED = 10_000

#: No session has a longer text.
MAX_CHARACTERS = 200


class Session(Struct, frozen=True):
    """One login. ``mark`` tells its key from others; ``role`` may be less than that of the key."""

    text: str
    mark: str
    role: str
    made_at: float

    @property
    def wants_renewal(self) -> bool:
        return time.time() - self.made_at > RENEWED_SECONDS


class Sessions:
    """Makes sessions, and knows its own again."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"headrace page", "sha256")
        self._ended: dict[str, None] = {}

    def make(self, mark: str, role: str) -> Session:
        """A new session for the key with this mark."""
        made_at = int(time.time())
        said = f"{mark}.{role}.{made_at}.{secrets.token_hex(16)}"
        return Session(f"{said}.{self._sign('session', said)}", mark, role, made_at)

    def find(self, text: str) -> Session | None:
        """The session of a cookie; None for what is none, or has ended."""
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
        """Take it no more."""
        self._ended[session.text] = None
        while len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]

    def make_csrf(self, session: Session) -> str:
        """What a change has to bring beside the cookie, which other sites cannot know."""
        return self._sign("csrf", session.text)

    def _sign(self, what: str, said: str) -> str:
        return hmac.digest(self._key, f"{what} {said}".encode(), "sha256").hex()
