"""Identifies peers by the certificate that they present, if a coordinator requires one.

The role is in the subject's organizational unit (``OU=worker``), or in an alternative name that is
a URI (``headrace:worker``). The subject's common name appears in lists and logs. A certificate
never permits more than the key does, and the key no more than the certificate.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from headrace_wire.errors import KeyRefusedError
from headrace_wire.roles import ADMIN, ROLES, TASK, WORKER, Holder, Role

#: The prefix of the URI that names a role.
SCHEME = "headrace:"

#: Distinguishes holders of certificates from those of keys of the same name.
MARK = "certificate"

#: The message about a certificate of another authority, before the reason and the advice.
NOT_ACCEPTED = "the coordinator does not accept the certificate that was shown"

#: What to do about a certificate that does not serve.
OTHER_CERTIFICATE = "name another certificate with --tls-cert and --tls-key"

_ADVICE = "name one that its authority has signed with --tls-cert and --tls-key"

#: For how many seconds it is remembered that a certificate was not accepted, and of how many hosts.
_REMEMBERED_SECONDS = 10.0
_MOST_REMEMBERED = 64

#: A certificate, as ``ssl.SSLSocket.getpeercert`` returns it.
Certificate = Mapping[str, Any]


def identify(holder: Holder, certificate: Certificate) -> Holder:
    """Return who presents this certificate, if any, and holds this key. Raises KeyRefusedError."""
    if not certificate:
        raise KeyRefusedError(
            f"the coordinator wants a certificate beside the key, and none was shown: {_ADVICE}"
        )
    role = _find_role(certificate)
    name = next(_list_fields(certificate, "commonName"), holder.name)
    if holder.role == TASK and role in {ADMIN, WORKER}:
        return holder  # a task of that worker, which may do less than both
    if role == ADMIN:
        return holder
    if holder.role not in {ADMIN, role}:
        wanted = WORKER if holder.role == TASK else holder.role
        raise KeyRefusedError(
            f"the certificate of {name!r} is one of role {role}, and the key that came with it one "
            f"of role {holder.role}: {OTHER_CERTIFICATE}, of role {wanted}"
        )
    return Holder(name, role, MARK, holder.mark)


class NotAccepted:
    """Hosts whose certificates were recently not accepted.

    With TLS 1.3 a connection ends for that reason before the peer can be told. The peer connects
    again, without a certificate, and is then told what was wrong with the previous one.
    """

    def __init__(self) -> None:
        #: When, on the monotonic clock, and why, by host. The oldest comes first.
        self._found: dict[str, tuple[float, str]] = {}

    def note(self, host: str, why: str) -> None:
        """Record that a host's certificate was not accepted."""
        self._found.pop(host, None)
        if len(self._found) == _MOST_REMEMBERED:
            del self._found[next(iter(self._found))]
        self._found[host] = time.monotonic(), why

    def check(self, host: str) -> None:
        """Raise KeyRefusedError for a host whose certificate was not accepted. This is said
        once.
        """
        at, why = self._found.pop(host, (0.0, ""))
        if why and time.monotonic() - at < _REMEMBERED_SECONDS:
            raise KeyRefusedError(f"{NOT_ACCEPTED} ({why}): {_ADVICE}")


def _find_role(certificate: Certificate) -> Role:
    named = {*_list_fields(certificate, "organizationalUnitName")}
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "URI" and value.startswith(SCHEME):
            named.add(value.removeprefix(SCHEME))
    found: list[Role] = [role for role in ROLES if named & {role}]
    if len(found) != 1:
        raise KeyRefusedError(
            "the certificate names "
            + (" and ".join(found) or "no role")
            + f": one of {', '.join(ROLES)} as organizational unit, or as URI such as "
            f"{SCHEME}{WORKER}"
        )
    return found[0]


def _list_fields(certificate: Certificate, name: str) -> Iterator[str]:
    for group in certificate.get("subject", ()):
        for field, value in group:
            if field == name:
                yield value
