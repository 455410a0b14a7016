"""The coordinator's own certificate: made at its first start with TLS, and trusted by nobody.

The key is bound to it; see ``headrace_wire.tls``. So it says nothing of the coordinator, and needs
no renewal.
"""

from __future__ import annotations

import datetime as dt
import logging
import ssl
from pathlib import Path

from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.encryption import check_files, is_loopback
from headrace_wire.errors import UsageError
from headrace_wire.permissions import refuse_full_disk
from headrace_wire.secret_files import make_secret_file
from headrace_wire.tls import ServerTls, load_pair, read_certificate

log = logging.getLogger(__name__)

#: The file's name, beside the key. It holds the private key, too.
CERTIFICATE_NAME = "certificate.pem"

#: What the certificate says whose it is.
COMMON_NAME = "headrace"

#: The moments between which it holds: for as long as certificates can say (RFC 5280, 4.1.2.5).
SINCE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
UNTIL = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)


def choose_tls(settings: CoordinatorSettings, bound: Address) -> ServerTls | None:
    """What to encrypt with, or None where that is not wanted. Raises UsageError.

    ``bound`` is where the queues are served.
    """
    cert, key, authority = check_files(
        settings.tls, settings.tls_cert, settings.tls_key, settings.tls_ca
    )
    is_local = is_loopback(bound.host)
    if settings.tls == "off" and not is_local:
        log.warning(
            "--tls off: whoever is on the network between this coordinator and others reads all "
            "that they send, and can take over their connections"
        )
    is_asked = settings.tls == "on" or cert or authority
    if settings.tls == "off" or (is_local and not is_asked):
        return None
    path = Path(cert) if cert else ensure_certificate(settings.key_file.parent)
    tls = ServerTls(path, Path(key) if key else path, Path(authority) if authority else None)
    log.info("connections are encrypted (TLS), with the certificate in %s", path)
    return tls


def choose_http_tls(settings: CoordinatorSettings) -> ssl.SSLContext | None:
    """What to encrypt HTTP with, or None where that is not wanted. Raises UsageError."""
    cert, key = settings.http_cert, settings.http_key
    if key and not cert:
        raise UsageError("--http-key is of no use without --http-cert")
    if not settings.http_tls and not cert:
        return None
    if cert is None:
        cert, key = settings.tls_cert, settings.tls_key
    path = cert or ensure_certificate(settings.key_file.parent)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    load_pair(context, path, key or path)
    return context


def list_given(settings: CoordinatorSettings, tls: ServerTls | None) -> dict[str, bytes]:
    """The certificates in DER that somebody has given and has to renew, by what they are for.

    Raises UsageError.
    """
    found: dict[str, bytes] = {}
    if tls and settings.tls_cert:
        found["queues"] = tls.certificate
    http_cert = settings.http_cert or (settings.tls_cert if settings.http_tls else None)
    if http_cert:
        found["http"] = read_certificate(http_cert)
    return found


def ensure_certificate(folder: Path) -> Path:
    """Return the PEM file in ``folder`` with a certificate and its private key.

    It is made first if there is none; see ``make_secret_file``. Raises UsageError, and
    StoreError where the disk is full.
    """
    path = folder / CERTIFICATE_NAME
    try:
        if not path.exists():
            make_secret_file(path, make_certificate())
    except OSError as error:
        what = f"certificate {path} cannot be made"
        refuse_full_disk(error, what, folder)
        raise UsageError(
            f"{what} ({error.strerror}): it lies beside the key; name another with --key-file"
        ) from None
    return path


def make_certificate() -> str:
    """Return a new private key and a certificate that it has signed itself, both in PEM."""
    # Large, and needed once in a coordinator's life.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, COMMON_NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(UNTIL)
        .sign(private_key, hashes.SHA256())
    )
    secret = private_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return (secret + certificate.public_bytes(serialization.Encoding.PEM)).decode("ascii")
