"""Roles: what whoever holds a key may call, and who calls just now.

    key ─ handshake ─► Holder(name, role) ─► Session: is the role one of the method's? ─► call
                                             └─► caller(): who calls, for the served object

The roles of each method stand beside it in ``headrace_wire.api``. ``admin`` may call everything.
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

#: Of a token that the tasks of one job have, for shared state.
TASK: Final = "task"

#: The roles of keys, and those whose keys are derived from the coordinator's own key.
ROLES: tuple[Role, ...] = (ADMIN, CLIENT, WORKER, OBSERVER)
DERIVED_ROLES: tuple[Role, ...] = (WORKER, CLIENT, OBSERVER)


class Holder(Struct, frozen=True):
    """Whoever holds a key: the name of the key, its role, and what tells it from others of its
    name, such as one from before a rotation. ``key_mark`` tells the worker's key from others that
    a task depends on, and the key that came with a certificate. ``key_role`` is the role of the
    key itself, where less than that may be done with it; whoever ``glances`` at results has not
    fetched them.
    """

    name: str
    role: Role
    mark: str = ""
    key_mark: str = ""
    key_role: Role | Literal[""] = ""
    glances: bool = False

    def may_call(self, roles: frozenset[Role]) -> bool:
        """Whether a method that names these roles is for this one."""
        return self.role == ADMIN or self.role in roles


#: Who holds the coordinator's own key, or calls its objects without a connection.
ADMINISTRATOR: Final = Holder(ADMIN, ADMIN)

#: The coordinator itself, where it looks at results for somebody who may see what they come to.
ONLOOKER: Final = Holder(ADMIN, ADMIN, glances=True)

_CALLER: ContextVar[Holder] = ContextVar("caller", default=ADMINISTRATOR)


def caller() -> Holder:
    """Whoever makes the call that is being answered, in the task that answers it."""
    return _CALLER.get()


def set_caller(holder: Holder) -> None:
    """Note who makes the calls that this task answers from now on."""
    _CALLER.set(holder)


def allow(*roles: Role, audited: bool = False) -> Callable[[Function], Function]:
    """Name the roles that may call a method of an API, beside ``admin``.

    Calls of a method that is ``audited`` are kept in the audit log.
    """

    def note(function: Function) -> Function:
        vars(function).update(roles=frozenset(roles), audited=audited)
        return function

    return note


def read_roles(function: object) -> frozenset[Role]:
    """The roles that a method of an API names: none means ``admin`` alone."""
    return getattr(function, "roles", frozenset[Role]())


def is_audited(function: object) -> bool:
    """Whether calls of a method of an API are kept in the audit log."""
    return getattr(function, "audited", False)
