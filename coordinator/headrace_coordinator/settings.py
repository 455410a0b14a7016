"""The settings of the coordinator, validated once."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from headrace_coordinator.queue.rules import (
    DEFAULT_HISTORY_SECONDS,
    DEFAULT_LEASE_SECONDS,
    DEFAULT_RESULT_TTL_SECONDS,
    DEFAULT_SHARED_LIMIT_BYTES,
)
from headrace_coordinator.store.store import Durability
from headrace_wire.address import DEFAULT_HTTP_PORT, DEFAULT_PORT, Address
from headrace_wire.bounds import LeaseTime, Seconds, SizeLimit, TimeLimit, check_fields
from headrace_wire.encryption import TlsMode

LOCAL = Address("127.0.0.1", DEFAULT_PORT)
LOCAL_HTTP = Address("127.0.0.1", DEFAULT_HTTP_PORT)


class CoordinatorSettings(Struct, frozen=True):
    """The settings of a coordinator.

    - ``key_file`` is made if it does not exist. The key of each role is also written into a folder
      of its name in ``role_keys``.
    - ``tls`` "auto" encrypts connections that may come from other machines. If any of the three
      files is given, all in PEM, everything is encrypted: a certificate and its private key,
      instead of one that is made here, and the certificates of those who sign for clients, which
      then have to present a certificate.
    - ``http`` None serves no HTTP. Where other machines can connect to it, /metrics requires a
      token unless ``http_open``. The token is also written to ``token_file``.
    - ``http_tls`` encrypts HTTP, with the certificate of the queues' connections or with
      ``http_cert``, which implies encryption.
    - ``spool_limit_bytes`` None stands for most of the free space on the data folder's disk.
    - With ``private_jobs``, a client can only access its own jobs.
    - ``scratch`` is the folder for temporary files that contains the data folder, if the
      coordinator works for one program only.
    - With ``audit``, it is recorded in the data folder who did what.
    """

    data: Path
    key_file: Path
    bind: Address = LOCAL
    tls: TlsMode = "auto"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    http: Address | None = LOCAL_HTTP
    http_open: bool = False
    http_tls: bool = False
    http_cert: Path | None = None
    http_key: Path | None = None
    token_file: Path | None = None
    lease_seconds: LeaseTime = DEFAULT_LEASE_SECONDS
    result_ttl_seconds: TimeLimit = DEFAULT_RESULT_TTL_SECONDS
    history_seconds: Seconds = DEFAULT_HISTORY_SECONDS
    spool_limit_bytes: SizeLimit | None = None
    shared_limit_bytes: SizeLimit | None = DEFAULT_SHARED_LIMIT_BYTES
    durability: Durability = "process"
    private_jobs: bool = False
    role_keys: Path | None = None
    audit: bool = True
    scratch: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
