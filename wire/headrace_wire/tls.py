"""TLS 1.3 with a certificate that nobody has to know: the key is bound to it.

    client ── connects, takes whatever certificate comes ─► coordinator
    both   ── shake hands with HMAC(key, certificate) in place of the key

Whoever stands in between has to show another certificate, so that the two sides take different keys
for the handshake, and each refuses the other. A connection without TLS binds the key to that, too:
nobody can make one side speak plainly and the other one not. So no authority, no names, and nothing
to copy but the key.

The idea is that of channel bindings, RFC 5929 (``tls-server-end-point``), with the key of
``multiprocessing``'s handshake.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import ssl
from typing import TYPE_CHECKING

from headrace_wire.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

#: What the key is bound to without TLS, and the beginning of what it is bound to with it.
PLAIN = b"headrace plain"
TLS = b"headrace tls"


def bind_key(key: bytes, certificate: bytes | None) -> bytes:
    """Return the key of a handshake, 32 bytes, over a connection with this certificate.

    ``certificate`` is the server's in DER, or None for a connection without TLS.
    """
    bound = PLAIN if certificate is None else TLS + hashlib.sha256(certificate).digest()
    return hmac.digest(key, bound, "sha256")


def make_server_context(certificate: Path, private_key: Path) -> ssl.SSLContext:
    """Return what a server encrypts with, of two PEM files. Raises UsageError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # connections stay: nobody resumes one
    try:
        context.load_cert_chain(certificate, private_key)
    except (OSError, ssl.SSLError) as error:
        why = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise UsageError(
            f"no encryption with certificate {certificate} and private key {private_key} ({why}): "
            "both are PEM files, and belong to each other"
        ) from None
    return context


@functools.cache
def make_client_context() -> ssl.SSLContext:
    """Return what a client encrypts with. It takes any certificate: see above."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_certificate(path: Path) -> bytes:
    """Return a PEM file's first certificate, in DER. Raises UsageError."""
    try:
        return ssl.PEM_cert_to_DER_cert(_first_certificate(path.read_text("ascii")))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no certificate in PEM"
        raise UsageError(f"certificate {path} cannot be read: {why}") from None


def _first_certificate(text: str) -> str:
    """A file may hold a chain, the server's own certificate first."""
    begin = text.index(ssl.PEM_HEADER)
    return text[begin : text.index(ssl.PEM_FOOTER, begin) + len(ssl.PEM_FOOTER)]


def speaks_plainly(error: OSError) -> bool:
    """Whether a TLS handshake failed because the other side does not speak TLS at all."""
    return isinstance(error, ssl.SSLError) and error.reason in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
    }
