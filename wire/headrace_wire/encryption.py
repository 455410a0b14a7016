"""Whether a connection is encrypted. A client finds out by itself what a coordinator speaks.

One that speaks plainly speaks first, with its challenge; one that speaks TLS waits for the client.
So a client listens for a moment on loopback, where nothing is encrypted as a rule, and begins with
TLS if it hears nothing. Elsewhere it begins at once; what a plain coordinator says then is no TLS,
and the client connects a second time. The answer is remembered, by address.

Nobody in between can have a client speak plainly and the coordinator not: see ``tls``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from msgspec import Struct
from msgspec.structs import replace

from headrace_wire.address import Address, is_path
from headrace_wire.certificates import NOT_ACCEPTED
from headrace_wire.errors import (
    BusyError,
    HeadraceError,
    KeyRefusedError,
    ProtocolError,
    UnreachableError,
    UsageError,
)
from headrace_wire.greeting import explain_refusal

if TYPE_CHECKING:
    import ssl

#: A path, as text or not.
StrPath = str | os.PathLike[str]

#: When to speak TLS: always, never, or as the coordinator does; the latter is on by itself
#: wherever it can be reached from other machines.
TlsMode = Literal["auto", "on", "off"]

#: All of them, for messages and options.
TLS_MODES: tuple[TlsMode, ...] = get_args(TlsMode)

#: Seconds to listen for a plain coordinator on loopback, and where there was one before. It is no
#: harm if that one takes longer: then there is a second connection.
LOOPBACK_SECONDS = 0.2
PLAIN_SECONDS = 1.0

#: What the coordinators that proved themselves to this process have spoken: True is TLS.
_spoken: dict[tuple[str, int], bool] = {}


class Encryption(Struct, frozen=True):
    """How a client connects.

    ``certificate`` and ``private_key`` are PEM files with what it shows of itself, and
    ``authority`` one with whom it trusts: see ``choose_encryption``.
    """

    mode: TlsMode = "auto"
    certificate: str | None = None
    private_key: str | None = None
    authority: str | None = None

    def measure_listening(self, address: tuple[str, int], *, is_near: bool) -> float | None:
        """Seconds to listen before TLS is begun; None: it is not begun at all.

        ``is_near``: the other side is on this machine.
        """
        if self.mode == "off":
            return None
        spoken = _spoken.get(address)
        if self.mode == "on" or spoken:
            return 0.0
        if spoken is False:
            return PLAIN_SECONDS
        return LOOPBACK_SECONDS if is_near else 0.0

    def speaks_plainly(self, error: BaseException) -> bool:
        """Whether a TLS handshake failed because the other side does not speak TLS at all."""
        from headrace_wire.tls import speaks_plainly  # noqa: PLC0415 - as below

        return speaks_plainly(error)

    def require_plain(self, address: tuple[str, int]) -> None:
        """Raise ProtocolError if a coordinator must not speak plainly that does so."""
        shown = Address(*address)
        if self.mode == "on":
            raise ProtocolError(
                f"the coordinator at {shown} does not speak TLS, which is asked for here "
                "(--tls on): start it with --tls on, or connect with --tls auto"
            )
        if _spoken.get(address):
            raise ProtocolError(
                f"the coordinator at {shown} spoke TLS before, and what answers there now does "
                "not: if it was started anew with --tls off, start this program anew, too"
            )

    def explain(self, address: tuple[str, int], error: Exception) -> HeadraceError:
        """What a handshake that failed means to the caller."""
        if self.mode == "off" and (isinstance(error, TimeoutError) or type(error) is EOFError):
            return UnreachableError(
                f"what answers at {Address(*address)} did not begin the handshake: if it is a "
                "coordinator it speaks TLS, which is switched off here (--tls off)"
            )
        if why := getattr(error, "verify_message", None):
            return KeyRefusedError(
                f"the certificate of the coordinator at {Address(*address)} is not accepted here: "
                f"{why} (--tls-ca names whom to trust)"
            )
        if "_ALERT_" in (getattr(error, "reason", None) or ""):
            return KeyRefusedError(
                f"the coordinator at {Address(*address)} does not accept this side's certificate: "
                "name one that its authority has signed with --tls-cert and --tls-key"
            )
        found = explain_refusal(address, error)
        if isinstance(found, BusyError) and self.certificate is not None:
            # A coordinator may be gone before it is heard why it does not take a certificate.
            why = (
                f"it does not accept the certificate {self.certificate}: name one that its "
                "authority has signed (--tls-cert, --tls-key)"
            )
            return BusyError(f"{found.message}; or {why}")
        return found

    def hide_certificate(self) -> Encryption:
        """The same way to connect, on which this side shows no certificate.

        A coordinator that does not accept a certificate cannot say so: the connection ends. To
        whoever comes without one it can: see ``explain_hidden``.
        """
        return replace(self, certificate=None, private_key=None)

    def explain_hidden(self, shown: HeadraceError, hidden: HeadraceError) -> HeadraceError:
        """What happened, after an error with the certificate shown, and another without it."""
        if isinstance(hidden, KeyRefusedError) and hidden.message.startswith(NOT_ACCEPTED):
            return KeyRefusedError(hidden.message.replace("that was shown", str(self.certificate)))
        return shown

    def note(self, address: tuple[str, int], *, is_encrypted: bool) -> None:
        """Remember what a coordinator speaks that has shown that it holds the key."""
        if self.mode != "off":
            _spoken[address] = is_encrypted

    def make_context(self) -> ssl.SSLContext:
        """What to encrypt with."""
        # It takes a while, and most connections on one machine do without.
        from headrace_wire.tls import make_client_context  # noqa: PLC0415

        return make_client_context(self.certificate, self.private_key, self.authority)

    def name_host(self, address: tuple[str, int]) -> str:
        """The name for which the coordinator's certificate has to be, "" if it may be any."""
        if self.authority is None:
            return ""
        return "localhost" if is_path(address[0]) else address[0].rstrip(".")

    def bind(self, key: bytes, certificate: bytes | None) -> bytes:
        """The key of the handshake, over a connection with this certificate of the coordinator's.

        It is None for one that is not encrypted.
        """
        if certificate is None:
            return key
        from headrace_wire.tls import bind_key  # noqa: PLC0415 - as above

        return bind_key(key, certificate)


#: How programs connect that say nothing of it.
AUTOMATIC = Encryption()


def choose_encryption(
    mode: str,
    certificate: StrPath | None = None,
    private_key: StrPath | None = None,
    authority: StrPath | None = None,
) -> Encryption:
    """How to connect in this mode, with these PEM files: with any of them, encrypted alone.

    The private key may be in the same file as the certificate. Raises UsageError.
    """
    for known in TLS_MODES:
        if mode == known:
            files = check_files(known, certificate, private_key, authority)
            return Encryption("on" if any(files) else known, *files)
    raise UsageError(f"tls is one of {', '.join(TLS_MODES)}: {mode!r} is none of them")


def check_files(
    mode: TlsMode,
    certificate: StrPath | None,
    private_key: StrPath | None,
    authority: StrPath | None,
) -> tuple[str | None, str | None, str | None]:
    """The full paths of certificates and key. Raises UsageError where they make no sense."""
    if private_key and not certificate:
        raise UsageError("--tls-key is of no use without --tls-cert")
    if mode == "off" and (certificate or authority):
        raise UsageError("--tls off makes no use of certificates (--tls-cert, --tls-ca)")
    paths = (certificate, private_key or certificate, authority)
    full = [None if not path else os.path.abspath(path) for path in paths]  # noqa: PTH100 - text
    return full[0], full[1], full[2]


def is_near(sock: Any) -> bool:
    """Whether both ends of a connection are on this machine, as its address tells."""
    peer: object = sock.getpeername()
    if not isinstance(peer, tuple):
        return True
    host, *_ = cast("tuple[str, ...]", peer)
    return is_loopback(host)


def is_loopback(host: str) -> bool:
    """Whether an IP address, or the path of a Unix socket, is one that no other machine reaches."""
    return is_path(host) or host == "::1" or host.removeprefix("::ffff:").startswith("127.")
