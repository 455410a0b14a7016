"""Who somebody is by a key and a certificate."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_wire.certificates import MARK, identify
from headrace_wire.errors import KeyRefusedError
from headrace_wire.roles import ADMINISTRATOR, Holder, Role


def make(name: str, *units: str, uri: str = "") -> dict[str, Any]:
    """A certificate, as the standard library describes it."""
    subject = [(("commonName", name),), *((("organizationalUnitName", one),) for one in units)]
    return {"subject": tuple(subject), "subjectAltName": (("DNS", "host"), ("URI", uri))}


@pytest.mark.parametrize(
    "certificate", [make("ann", "client"), make("ann", "sales", uri="headrace:client")]
)
def test_the_role_is_that_of_the_certificate_for_who_shows_the_coordinators_own_key(
    certificate: dict[str, Any],
) -> None:
    assert identify(ADMINISTRATOR, certificate) == Holder("ann", "client", MARK, ADMINISTRATOR.mark)


def test_a_key_of_a_role_goes_with_a_certificate_of_that_role() -> None:
    found = identify(Holder("worker", "worker"), make("machine-7", "worker"))
    assert found == Holder("machine-7", "worker", MARK)


def test_a_certificate_of_an_administrator_leaves_it_to_the_key() -> None:
    for holder in (ADMINISTRATOR, Holder("bob", "client", "mark")):
        assert identify(holder, make("ann", "admin")) == holder


def test_tasks_are_known_by_their_token_beside_their_workers_certificate() -> None:
    task = Holder("job", "task")
    assert identify(task, make("machine-7", "worker")) == task
    with pytest.raises(KeyRefusedError, match=r"name another certificate .*, of role worker$"):
        identify(task, make("ann", "client"))


@pytest.mark.parametrize(("role", "unit"), [("observer", "client"), ("client", "worker")])
def test_neither_lets_anybody_do_more_than_the_other(role: Role, unit: str) -> None:
    said = rf"'ann' is one of role {unit}, .* role {role}: name another .*, of role {role}$"
    with pytest.raises(KeyRefusedError, match=said):
        identify(Holder("key", role), make("ann", unit))


@pytest.mark.parametrize("units", [(), ("sales",), ("client", "worker"), ("task",)])
def test_a_certificate_that_names_no_role_or_several_is_refused(units: tuple[str, ...]) -> None:
    with pytest.raises(KeyRefusedError, match=r"the certificate names .*: one of admin, client"):
        identify(ADMINISTRATOR, make("ann", *units))
