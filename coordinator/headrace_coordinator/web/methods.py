"""The methods of the JSON API: one line for each method of the API.

Parameters that are not part of the path are in the query, or in the object of the body if something
is changed. If a parameter is a message, its fields are used instead. Methods that are named here
and not served yet are left out.
"""

from __future__ import annotations

from typing import Any, Literal, get_origin

from msgspec import NODEFAULT, Struct, defstruct, field
from msgspec.structs import fields as list_fields

from headrace_coordinator.web.json_models import make_model, translate
from headrace_wire.api import APIS
from headrace_wire.bounds import MAX_TASKS, is_record, read_hints, split_hint
from headrace_wire.signature import Signature, read_signatures

#: GET reads, the others change something.
Verb = Literal["GET", "POST", "DELETE"]

#: HTTP method, path, method of the API.
TABLE: tuple[tuple[Verb, str, str], ...] = (
    ("GET", "/info", "jobs.info"),
    ("GET", "/overview", "jobs.overview"),
    ("GET", "/timeline", "jobs.timeline"),
    ("GET", "/events", "jobs.events"),
    ("GET", "/jobs", "jobs.jobs"),
    ("GET", "/count_jobs", "jobs.count_jobs"),
    ("GET", "/match", "jobs.match"),
    ("GET", "/jobs/{job}", "jobs.status"),
    ("DELETE", "/jobs/{job}", "jobs.delete"),
    ("POST", "/jobs/{job}/cancel", "jobs.cancel"),
    ("POST", "/jobs/{job}/retry", "jobs.retry"),
    ("POST", "/jobs/{job}/replay", "jobs.replay"),
    ("GET", "/jobs/{job}/progress", "jobs.progress"),
    ("GET", "/jobs/{job}/slowest", "jobs.slowest"),
    ("GET", "/jobs/{job}/running", "jobs.running"),
    ("GET", "/jobs/{job}/task_runs", "jobs.task_runs"),
    ("GET", "/jobs/{job}/task_times", "jobs.task_times"),
    ("GET", "/jobs/{job}/failures", "results.failures"),
    ("GET", "/jobs/{job}/failure_groups", "results.failure_groups"),
    ("GET", "/jobs/{job}/logs", "results.logs"),
    ("GET", "/workers", "jobs.workers"),
    ("GET", "/workers/{worker}", "jobs.worker"),
    ("POST", "/workers/{worker}/drain", "jobs.drain"),
    ("GET", "/shared", "shared.names"),
)

#: The defaults of parameters that have none on the wire.
DEFAULTS: dict[str, Any] = {
    "limit": 100,
    "start": 0,
    "stop": MAX_TASKS,
    "cursor": 0,
    "wait_seconds": 0.0,
    "since": 0.0,
}


class Method(Struct, frozen=True):
    """One method of the API, as it is called with HTTP.

    ``given`` is a Struct of all parameters that are not part of the ``path``. ``message`` is the
    parameter that is a message, with its type, if there is one.
    """

    verb: Verb
    path: str
    name: str
    signature: Signature
    given: type[Struct]
    answer: Any
    text: str
    message: tuple[str, type[Struct]] | None = None

    def build(self, in_path: dict[str, Any], given: Struct) -> dict[str, Any]:
        """Return the arguments of a call."""
        values = {name: getattr(given, name) for name in given.__struct_fields__} | in_path
        if self.message is None:
            return values
        parameter, kind = self.message
        inner = {name: values.pop(name) for name in kind.__struct_fields__ if name in values}
        return {**values, parameter: kind(**inner)}

    @property
    def in_path(self) -> tuple[str, ...]:
        """The parameters that are parts of the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


def list_methods() -> list[Method]:
    """Return the methods of the table."""
    served = {
        f"{name}.{method}": (signature, getattr(api, method).__doc__ or "")
        for name, api in APIS.items()
        for method, signature in read_signatures(api).items()
    }
    return [_make(verb, path, name, *served[name]) for verb, path, name in TABLE if name in served]


def _make(verb: Verb, path: str, name: str, signature: Signature, text: str) -> Method:
    message: tuple[str, type[Struct]] | None = None
    fields: dict[str, tuple[str, Any, Any]] = {}
    hints = read_hints(signature.arguments)
    for one in list_fields(signature.arguments):
        hint = hints[one.name]
        kind, _, _ = split_hint(hint)
        if is_record(kind):
            message = one.name, kind
            model = make_model(kind)
            for inner in list_fields(model):
                fields[inner.name] = (
                    inner.name, model.__annotations__[inner.name], _find_default(inner)
                )  # fmt: skip
        else:
            fields[one.name] = (one.name, translate(hint), _find_default(one))
    in_path = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    given = defstruct(
        name.replace(".", "_"),
        [one for one in fields.values() if one[0] not in in_path],
        kw_only=True,
        forbid_unknown_fields=True,
        frozen=True,
    )
    answered: Any = signature.answer
    answer = translate(read_hints(answered)["value"])
    return Method(verb, path, name, signature, given, answer, text, message)


def _find_default(one: Any) -> Any:
    if one.default_factory is not NODEFAULT:
        return field(default_factory=one.default_factory)
    default = DEFAULTS.get(one.name, NODEFAULT)
    kind = split_hint(one.type)[0]
    if one.default is NODEFAULT and isinstance(default, get_origin(kind) or kind):
        return default
    return one.default


def takes_list(hint: Any) -> bool:
    """Return whether a parameter may be given several times."""
    return get_origin(split_hint(hint)[0]) is tuple
