"""Who somebody is by the certificate that they show, where a coordinator wants one.

The role stands in the subject's organizational unit (``OU=worker``), or in an alternative name that
is a URI (``headrace:worker``); the subject's common name is what lists and logs say. A certificate
never lets anybody do more than the key does, nor the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headrace_wire.errors import KeyRefusedError
from headrace_wire.roles import ADMIN, ROLES, TASK, WORKER, Holder, Role

#: How the URI begins that names a role.
SCHEME = "headrace:"

#: Tells holders of certificates from those of keys of the same name.
MARK = "certificate"

#: A certificate, as ``ssl.SSLSocket.getpeercert`` returns it.
Certificate = Mapping[str, Any]


def identify(holder: Holder, certificate: Certificate) -> Holder:
    """Who shows this certificate, if any, and this holder's key. Raises KeyRefusedError."""
    if not certificate:
        raise KeyRefusedError(
            "the coordinator wants a certificate beside the key, and none was shown: name one that "
            "its authority has signed with --tls-cert and --tls-key"
        )
    role = _find_role(certificate)
    name = next(_list_fields(certificate, "commonName"), holder.name)
    if holder.role == TASK and role in {ADMIN, WORKER}:
        return holder  # a task of that worker's, which has less to say than both
    if role == ADMIN:
        return holder
    if holder.role not in {ADMIN, role}:
        raise KeyRefusedError(
            f"the certificate of {name!r} is one of role {role}, and the key that came with it one "
            f"of role {holder.role}: use a key of role {role}"
        )
    return Holder(name, role, MARK, holder.mark)


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
