"""Roles: what the holder of a key may call, and who makes the present call.

    key ─ handshake ─► Holder(name, role) ─► Session: is the role one of the method's? ─► call
                                             └─► caller(): who calls, for the served object

The roles of each method are listed above it in ``headrace_wire.api``. ``admin`` may call
everything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final, Literal, TypeVar

from msgspec import Struct

Function = TypeVar("Function", bound=Callable[..., Any])

Role = Literal["admin", "client", "worker", "observer", "task"]

ADMIN: Final = "admin"
CLIENT: Final = "client"
WORKER: Final = "worker"
OBSERVER: Final = "observer"

#: The role of a token that the tasks of one job have, for shared state.
TASK: Final = "task"

#: The roles of keys, and those whose keys are derived from the coordinator's own key.
ROLES: tuple[Role, ...] = (ADMIN, CLIENT, WORKER, OBSERVER)
DERIVED_ROLES: tuple[Role, ...] = (WORKER, CLIENT, OBSERVER)


class Holder(Struct, frozen=True):
    """The holder of a key: the name of the key, its role, and a mark that distinguishes it from
    others of that name, for example from one before a rotation. ``key_mark`` identifies the
    worker's key on which a task depends, or the key that was used with a certificate. ``key_role``
    is the role of the key itself, if the holder may do less than that. A holder that ``glances`` at
    results has not fetched them.
    """

    name: str
    role: Role
    mark: str = ""
    key_mark: str = ""
    key_role: Role | Literal[""] = ""
    glances: bool = False

    def may_call(self, roles: frozenset[Role]) -> bool:
        """Return whether this holder may call a method that names these roles."""
        return self.role == ADMIN or self.role in roles


#: The holder of the coordinator's own key, and of calls of its objects without a connection.
ADMINISTRATOR: Final = Holder(ADMIN, ADMIN)

#: The coordinator itself, when it reads results for somebody who may see a summary of them.
ONLOOKER: Final = Holder(ADMIN, ADMIN, glances=True)

_CALLER: ContextVar[Holder] = ContextVar("caller", default=ADMINISTRATOR)


def caller() -> Holder:
    """Return who makes the call that is being answered, in the task that answers it."""
    return _CALLER.get()


def set_caller(holder: Holder) -> None:
    """Set who makes the calls that this task answers from now on."""
    _CALLER.set(holder)


def allow(*roles: Role, audited: bool = False) -> Callable[[Function], Function]:
    """Name the roles that may call a method of an API, besides ``admin``.

    Calls of an ``audited`` method are written to the audit log.
    """

    def note(function: Function) -> Function:
        vars(function).update(roles=frozenset(roles), audited=audited)
        return function

    return note


def read_roles(function: object) -> frozenset[Role]:
    """Return the roles that a method of an API names; none means only ``admin``."""
    return getattr(function, "roles", frozenset[Role]())


def is_audited(function: object) -> bool:
    """Return whether calls of a method of an API are written to the audit log."""
    return getattr(function, "audited", False)
