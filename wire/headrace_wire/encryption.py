"""Whether a connection is encrypted. A client finds out whether a coordinator speaks TLS.

A coordinator without TLS sends first, with its challenge; one with TLS waits for the client. So on
loopback, where connections are normally not encrypted, a client listens for a moment, and begins
with TLS if nothing arrives. Elsewhere it begins with TLS at once; if the coordinator does not speak
TLS, the client connects a second time. The result is remembered, by address.

An attacker in between cannot make the client speak without TLS while the coordinator uses it: see
``tls``.
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

#: When to use TLS: always, never, or as the coordinator does. A coordinator with "auto" uses it if
#: it can be reached from other machines.
TlsMode = Literal["auto", "on", "off"]

#: All modes, for messages and options.
TLS_MODES: tuple[TlsMode, ...] = get_args(TlsMode)

#: How many seconds to listen for a coordinator without TLS on loopback, and where there was one
#: before. It does no harm if that takes longer: then there is a second connection.
LOOPBACK_SECONDS = 0.2
PLAIN_SECONDS = 1.0

#: Whether the coordinators that proved themselves to this process used TLS.
_spoken: dict[tuple[str, int], bool] = {}


class Encryption(Struct, frozen=True):
    """How a client connects.

    ``certificate`` and ``private_key`` are PEM files that identify the client, and ``authority`` is
    one with the authorities that it trusts: see ``choose_encryption``.
    """

    mode: TlsMode = "auto"
    certificate: str | None = None
    private_key: str | None = None
    authority: str | None = None

    def measure_listening(self, address: tuple[str, int], *, is_near: bool) -> float | None:
        """Return how many seconds to listen before TLS is begun; None if it is not used at all.

        ``is_near`` means that the peer is on this machine.
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
        """Return whether a TLS handshake failed because the peer does not speak TLS at all."""
        from headrace_wire.tls import speaks_plainly  # noqa: PLC0415 - as below

        return speaks_plainly(error)

    def require_plain(self, address: tuple[str, int]) -> None:
        """Raise ProtocolError if a coordinator does not use TLS but has to."""
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
        """Return the caller's error for a handshake that failed."""
        if self.mode == "off" and (isinstance(error, TimeoutError) or type(error) is EOFError):
            hangs = ", or it hangs or is stopped" if isinstance(error, TimeoutError) else ""
            return UnreachableError(
                f"what answers at {Address(*address)} did not begin the handshake: if it is a "
                f"coordinator, it speaks TLS, which is switched off here (--tls off){hangs}"
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
            # A coordinator may close before it can say why it does not accept a certificate.
            why = (
                f"it does not accept the certificate {self.certificate}: name one that its "
                "authority has signed (--tls-cert, --tls-key)"
            )
            return BusyError(f"{found.message}; or {why}")
        return found

    def hide_certificate(self) -> Encryption:
        """Return the same settings without this side's certificate.

        A coordinator that does not accept a certificate cannot say so, because the connection ends.
        It can tell a peer that connects without one: see ``explain_hidden``.
        """
        return replace(self, certificate=None, private_key=None)

    def explain_hidden(self, shown: HeadraceError, hidden: HeadraceError) -> HeadraceError:
        """Return the right one of two errors, with and without the certificate."""
        if isinstance(hidden, KeyRefusedError) and hidden.message.startswith(NOT_ACCEPTED):
            return KeyRefusedError(hidden.message.replace("that was shown", str(self.certificate)))
        return shown

    def note(self, address: tuple[str, int], *, is_encrypted: bool) -> None:
        """Remember whether a coordinator that has shown that it holds the key uses TLS."""
        if self.mode != "off":
            _spoken[address] = is_encrypted

    def make_context(self) -> ssl.SSLContext:
        """Return the context for TLS."""
        # It takes a while, and most connections on one machine do not need it.
        from headrace_wire.tls import make_client_context  # noqa: PLC0415

        return make_client_context(self.certificate, self.private_key, self.authority)

    def name_host(self, address: tuple[str, int]) -> str:
        """Return the name for which the coordinator's certificate has to be valid, "" if any is."""
        if self.authority is None:
            return ""
        return "localhost" if is_path(address[0]) else address[0].rstrip(".")

    def bind(self, key: bytes, certificate: bytes | None) -> bytes:
        """Return the key of the handshake, on a connection with this certificate of the
        coordinator.

        The certificate is None if the connection is not encrypted.
        """
        if certificate is None:
            return key
        from headrace_wire.tls import bind_key  # noqa: PLC0415 - as above

        return bind_key(key, certificate)


#: How programs connect by default.
AUTOMATIC = Encryption()


def choose_encryption(
    mode: str,
    certificate: StrPath | None = None,
    private_key: StrPath | None = None,
    authority: StrPath | None = None,
) -> Encryption:
    """Return how to connect in this mode, with these PEM files; with any of them, only encrypted.

    The private key may be in the same file as the certificate. Raises UsageError.
    """
    for known in TLS_MODES:
        if mode.lower() == known:
            files = check_files(known, certificate, private_key, authority)
            return Encryption("on" if any(files) else known, *files)
    raise UsageError(f"tls is one of {', '.join(TLS_MODES)}: {mode!r} is none of them")


def check_files(
    mode: TlsMode,
    certificate: StrPath | None,
    private_key: StrPath | None,
    authority: StrPath | None,
) -> tuple[str | None, str | None, str | None]:
    """Return the full paths of certificates and key. Raises UsageError for invalid combinations."""
    if private_key and not certificate:
        raise UsageError("--tls-key is of no use without --tls-cert")
    if mode == "off" and (certificate or authority):
        raise UsageError("--tls off makes no use of certificates (--tls-cert, --tls-ca)")
    paths = (certificate, private_key or certificate, authority)
    full = [None if not path else os.path.abspath(path) for path in paths]  # noqa: PTH100 - text
    return full[0], full[1], full[2]


def is_near(sock: Any) -> bool:
    """Return whether both ends of a connection are on this machine, according to its address."""
    peer: object = sock.getpeername()
    if not isinstance(peer, tuple):
        return True
    host, *_ = cast("tuple[str, ...]", peer)
    return is_loopback(host)


def is_loopback(host: str) -> bool:
    """Return whether an IP address, or the path of a Unix socket, cannot be reached from
    elsewhere.
    """
    return is_path(host) or host == "::1" or host.removeprefix("::ffff:").startswith("127.")
