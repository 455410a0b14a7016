"""The coordinator's own certificate, which is made at its first start with TLS.

Nobody has to trust it, because the key is bound to it; see ``headrace_wire.tls``. So it contains
nothing about the coordinator, and need not be renewed.
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
from headrace_wire.open_files import explain_system_error
from headrace_wire.permissions import refuse_full_disk
from headrace_wire.system.secret_files import make_secret_file
from headrace_wire.tls import ServerTls, load_pair, read_certificate

log = logging.getLogger(__name__)

#: The file's name, beside the key. It also contains the private key.
CERTIFICATE_NAME = "certificate.pem"

#: The subject of the certificate.
COMMON_NAME = "headrace"

#: The validity of the certificate: as long as is possible (RFC 5280, 4.1.2.5).
SINCE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
UNTIL = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)


def choose_tls(settings: CoordinatorSettings, bound: Address) -> ServerTls | None:
    """Return the TLS configuration of the queues, or None for no TLS. Raises UsageError.

    ``bound`` is the address at which the queues are served.
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
    """Return the TLS context of HTTP, or None for no TLS. Raises UsageError."""
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
    """Return the certificates, in DER, that a user has provided and has to renew, by their purpose.

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

    If there is none, it is made; see ``make_secret_file``. Raises UsageError, and StoreError if the
    disk is full.
    """
    path = folder / CERTIFICATE_NAME
    try:
        if not path.exists():
            make_secret_file(path, make_certificate())
    except OSError as error:
        what = f"certificate {path} cannot be made"
        refuse_full_disk(error, what, folder)
        raise UsageError(
            f"{what} ({explain_system_error(error)}): it lies beside the key; name another with "
            "--key-file"
        ) from None
    return path


def make_certificate() -> str:
    """Return a new private key and a self-signed certificate, both in PEM."""
    # These modules are large, and needed once in a coordinator's life.
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
