"""TLS 1.3 with a certificate that nobody has to know, because the key is bound to it.

    client ── connects, and accepts any certificate ─► coordinator
    both   ── handshake with HMAC(key, SHA-256(certificate)) instead of the key

An attacker in between has to present another certificate, so that the two sides use different keys
in the handshake, and each refuses the other. So there are no authorities and no names, and only the
key has to be copied.

Nor can an attacker make the client speak without TLS, with the key itself, while the coordinator
uses TLS: the answer of one side would be useless for the other. A challenge begins with
``{sha256}`` and is longer than the digest of a certificate, so that no answer to a challenge is a
bound key.

The idea is that of channel bindings, RFC 5929 (``tls-server-end-point``), with the key of
``multiprocessing``'s handshake.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import socket
import ssl
from pathlib import Path

from headrace_wire.errors import UsageError
from headrace_wire.key import read_secret

#: The maximum size of a file with a private key, and possibly a chain of certificates, in bytes.
MAX_KEY_FILE_BYTES = 1 << 20

#: The errors of a handshake with a peer that does not speak TLS.
NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})


class ServerTls:
    """The certificate and private key of a server, from PEM files.

    With an ``authority``, a PEM file of certificates, clients have to present one that it has
    signed. Raises UsageError.
    """

    def __init__(self, certificate: Path, private_key: Path, authority: Path | None = None) -> None:
        #: Whether clients have to present a certificate.
        self.wants_certificates = authority is not None
        #: The certificate in DER.
        self.certificate = read_certificate(certificate)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.num_tickets = 0  # connections last, so none is resumed
        load_pair(self.context, certificate, private_key)
        if authority is not None:
            _load_authority(self.context, authority)
            # It is not required here, because nobody could be told why. A peer that presents none
            # is refused with a message as soon as it has shown that it holds the key.
            self.context.verify_mode = ssl.CERT_OPTIONAL


#: A file, and when it was last changed, so that a replaced one is read again.
File = tuple[str, int]


def make_client_context(
    certificate: str | None = None, private_key: str | None = None, authority: str | None = None
) -> ssl.SSLContext:
    """Return the TLS context of a client.

    It accepts any certificate, see above; with an ``authority``, only those that it has signed for
    the host to which the client connects. The client presents its own ``certificate``, if it has
    one. Raises UsageError.
    """
    return _make_client_context(*map(_stamp, (certificate, private_key or certificate, authority)))


@functools.lru_cache
def _make_client_context(
    certificate: File | None, private_key: File | None, authority: File | None
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.sslsocket_class = TlsSocket
    if authority:
        _load_authority(context, Path(authority[0]))
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate and private_key:
        load_pair(context, Path(certificate[0]), Path(private_key[0]))
    return context


def _stamp(path: str | None) -> File | None:
    if path is None:
        return None
    try:
        return path, Path(path).stat().st_mtime_ns
    except OSError:
        return path, 0  # reported when it is read


def _load_authority(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        why = error.strerror if not isinstance(error, ssl.SSLError) else "it holds none in PEM"
        raise UsageError(f"certificates of authorities {path} cannot be read: {why}") from None


class TlsSocket(ssl.SSLSocket):
    """Closes itself, without a ResourceWarning, when it is garbage collected; see
    ``OwnedSocket``.
    """

    def __del__(self) -> None:
        self.close()


def begin_tls(sock: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    """Perform the TLS handshake as a client, within the socket's time limit. Raises OSError and
    EOFError.

    The socket is taken over.
    """
    encrypted = context.wrap_socket(
        sock, do_handshake_on_connect=False, server_hostname=host or None
    )
    try:
        encrypted.do_handshake()
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        encrypted.close()
        raise EOFError from None
    except BaseException:
        encrypted.close()
        raise
    return encrypted


def bind_key(key: bytes, certificate: bytes) -> bytes:
    """Return the key of a handshake, 32 bytes, on a connection with this certificate, in DER.

    Without TLS, the handshake's key is the key itself. See above why neither can replace the other.
    """
    return hmac.digest(key, hashlib.sha256(certificate).digest(), "sha256")


def load_pair(context: ssl.SSLContext, certificate: Path, private_key: Path) -> None:
    """Load a certificate into a context. Raises UsageError, and KeyRefusedError for a private key
    that others can read.
    """

    def refuse_password() -> str:
        raise UsageError(f"private key {private_key} has a password, which nobody could be asked")

    try:
        context.load_cert_chain(certificate, private_key, refuse_password)
    except OSError as error:  # such as an SSLError
        raise UsageError(
            f"certificate {certificate} and private key {private_key} cannot be used "
            f"({_find_reason(error)}): both are PEM files, and belong to each other"
        ) from None
    read_secret(private_key, MAX_KEY_FILE_BYTES)


def read_certificate(path: Path) -> bytes:
    """Return a PEM file's first certificate, in DER. Raises UsageError."""
    try:
        return ssl.PEM_cert_to_DER_cert(_find_certificate(path.read_text("ascii")))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it holds no certificate in PEM"
        raise UsageError(f"certificate {path} cannot be read: {why}") from None


def _find_certificate(text: str) -> str:
    """Return the first certificate in a text that may contain a chain and a private key."""
    begin = text.index(ssl.PEM_HEADER)
    return text[begin : text.index(ssl.PEM_FOOTER, begin) + len(ssl.PEM_FOOTER)]


def _find_reason(error: OSError) -> str:
    reason = getattr(error, "reason", None)
    return reason.replace("_", " ").lower() if reason else error.strerror or str(error)


def explain_failure(error: OSError) -> str:
    """Return what a server logs about a client that does not finish the TLS handshake."""
    if why := getattr(error, "verify_message", None):
        return f"its certificate is not accepted: {why}"
    return "it does not speak TLS"


def speaks_plainly(error: BaseException) -> bool:
    """Return whether a TLS handshake failed because the peer does not speak TLS at all."""
    return isinstance(error, ssl.SSLError) and error.reason in NO_TLS
