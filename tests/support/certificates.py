"""Certificates for tests, made once in a process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headrace_coordinator.certificate import SINCE, UNTIL, make_certificate
from headrace_wire.system.secret_files import make_secret_file
from headrace_wire.tls import ServerTls


@functools.cache
def make_tls(name: str = "coordinator") -> ServerTls:
    """What a server encrypts with; each name has another certificate."""
    del name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "certificate.pem")
        make_secret_file(path, make_certificate())
        return ServerTls(path, path)


class Authority:
    """Signs certificates, which it writes to a folder with their private keys."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        made = self._begin(self._name, self._key).add_extension(basic, critical=True)
        self.path = folder / f"{name}.pem"
        signed = made.sign(self._key, hashes.SHA256())
        self.path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def sign(self, name: str, *roles: str, host: str = "", uri: str = "", add: str = "") -> Path:
        """Make a file with a certificate and its private key. ``add`` makes its name unique."""
        key = ec.generate_private_key(ec.SECP256R1())
        fields = [x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]
        fields += [x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, one) for one in roles]
        builder = self._begin(x509.Name(fields), key)
        names: list[x509.GeneralName] = []
        if host:
            names.append(x509.DNSName(host))
        if uri:
            names.append(x509.UniformResourceIdentifier(uri))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        path = self._folder / f"{name}{add}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        signed = builder.sign(self._key, hashes.SHA256())
        content = secret + signed.public_bytes(serialization.Encoding.PEM)
        make_secret_file(path, content.decode("ascii"))
        return path

    def _begin(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(SINCE)
            .not_valid_after(UNTIL)
        )
