"""Plans calls: one task for each, with its packed arguments as the input."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import partial
from typing import Any, cast

from headrace_services.calls.functions import check_name, name_called
from headrace_services.calls.transport import (
    Serializer,
    check_serializer,
    name_python,
    pickle_value,
    seal_call,
    seal_value,
)
from headrace_services.calls.values import pack_value
from headrace_services.service import Plan
from headrace_wire.encoding import pack
from headrace_wire.words import add_article

#: A function, or its name as ``module:qualname``.
Function = Callable[..., Any] | str


class CallOptions:
    """How calls are made. The initializer runs once in each slot, before the first call.

    ``pool`` distinguishes jobs whose initializers have to run again although they are the same.
    ``ship`` is a folder of code that is sent along, packed by ``shipment.pack_folder``. ``main`` is
    this program as ``main_module.describe_main`` returns it, for slots that load it; only with
    cloudpickle. ``command`` means that the command line makes the calls, which has no choice of
    serializers.
    """

    def __init__(
        self,
        serializer: Serializer = "msgpack",
        initializer: Function | None = None,
        initargs: tuple[Any, ...] = (),
        pool: str = "",
        ship: bytes = b"",
        main: dict[str, object] | None = None,
        *,
        command: bool = False,
    ) -> None:
        serializer = check_serializer(serializer)
        self.serializer: Serializer = serializer
        self._by_reference = main is not None
        self.parameters: dict[str, object] = {"serializer": serializer, "pool": pool}
        if serializer == "cloudpickle":
            self.parameters["python"] = name_python()
        if main is not None:
            self.parameters["main"] = main
        if command:
            self.parameters["command"] = True
        if ship:
            self.parameters["ship"] = ship
        if initializer is not None:
            self.parameters["initializer"] = self.seal_function(initializer)
            self.parameters["initargs"] = self.seal_call(initargs, {})
            self.parameters["tenant"] = self._name_tenant()

    def _name_tenant(self) -> str:
        """Return a name that is the same for all jobs whose slots are prepared by the same
        initializer.
        """
        from hashlib import sha256  # noqa: PLC0415 - with OpenSSL

        about = [self.parameters[key] for key in ("serializer", "pool", "initializer", "initargs")]
        return sha256(pack(about)).hexdigest()[:32]

    def seal_function(self, function: Function) -> str | bytes:
        """Encode a function. Raises UsageError if it cannot be sent."""
        if isinstance(function, str):
            return check_name(function)
        if self.serializer == "cloudpickle":
            return pickle_value(function, by_reference=self._by_reference)
        inner = _find_inner(function)
        if inner is not None:
            name_called(inner)
            return pack_value(function, "the function")
        return name_called(function)

    def seal_call(self, args: tuple[Any, ...], kwds: Mapping[str, Any]) -> bytes:
        """Encode a call's arguments. Raises TypeError and ValueError."""
        named = _read_keywords(kwds)
        return seal_call(self.serializer, args, named, by_reference=self._by_reference)

    def seal_value(self, value: object, label: str) -> bytes:
        """Encode one argument. Raises TypeError and ValueError, whose messages call it
        ``label``.
        """
        return seal_value(self.serializer, value, label, by_reference=self._by_reference)


def _read_keywords(kwds: object) -> dict[str, Any]:
    """Return named arguments as a dict; as with ``**``, any mapping is accepted. Raises
    TypeError.
    """
    if type(kwds) is dict:
        return cast("dict[str, Any]", kwds)
    if not isinstance(kwds, Mapping):
        kind = add_article(type(kwds).__qualname__)
        raise TypeError(f"the named arguments of a call are a mapping, not {kind}")
    return dict(cast("Mapping[str, Any]", kwds))


def plan_apply(
    function: Function,
    args: Sequence[Any] = (),
    kwds: dict[str, Any] | None = None,
    options: CallOptions | None = None,
) -> Plan:
    """Plan one call.

    Raises UsageError for a function that cannot be sent, and TypeError and ValueError for
    arguments.
    """
    options = options or CallOptions()
    sealed = options.seal_call(tuple(args), kwds or {})
    return Plan("apply", make_parameters(function, options), 1, [sealed])


def plan_map(
    function: Function, arguments: Iterable[Any], options: CallOptions | None = None
) -> Plan:
    """Plan a call with each argument. They are packed as they are read, and errors are raised
    then.
    """
    options = options or CallOptions()
    inputs = _seal_each(options, arguments)
    return Plan("map", make_parameters(function, options), _count(arguments), inputs)


def plan_starmap(
    function: Function, arguments: Iterable[Iterable[Any]], options: CallOptions | None = None
) -> Plan:
    """Plan a call with each tuple of arguments. They are packed as they are read."""
    options = options or CallOptions()
    inputs = _seal_each(options, map(tuple, arguments))
    return Plan("starmap", make_parameters(function, options), _count(arguments), inputs)


def plan_calls(
    function: Function,
    calls: Iterable[tuple[tuple[Any, ...], dict[str, Any]]],
    tasks: int,
    options: CallOptions | None = None,
) -> Plan:
    """Plan a call with each pair of positional and named arguments; ``tasks`` is the approximate
    number.
    """
    options = options or CallOptions()
    inputs = (options.seal_call(args, kwds) for args, kwds in calls)
    return Plan("apply", make_parameters(function, options), tasks, inputs)


def _seal_each(options: CallOptions, arguments: Iterable[Any]) -> Iterator[bytes]:
    for index, argument in enumerate(arguments):
        yield options.seal_value(argument, f"item {index}")


def _count(arguments: Iterable[Any]) -> int:
    # The items of a generator are counted where it is read.
    return len(arguments) if isinstance(arguments, Sized) else 0


def make_parameters(function: Function, options: CallOptions, chunk: int = 1) -> dict[str, object]:
    """Return the parameters of a job whose tasks all call one function. Raises UsageError.

    ``chunk`` consecutive calls share one copy of the function, if it is sent by value.
    """
    sealed = options.seal_function(function)
    about = {"function": sealed, "label": label_function(function), "chunk": chunk}
    return {**options.parameters, **about}


def check_initializer(initializer: object) -> None:
    """Raise TypeError for anything that is neither a function nor the name of one."""
    if initializer is not None and not (callable(initializer) or isinstance(initializer, str)):
        raise TypeError("initializer must be a callable")


def _find_inner(function: Any) -> Any:
    """Return the function of a partial; None for anything else."""
    return function.func if issubclass(type(function), partial) else None


def label_function(function: Function) -> str:
    """Return the name of a function for people."""
    if isinstance(function, str):
        return function.rpartition(":")[2]
    inner = _find_inner(function)
    if inner is not None:
        return label_function(inner)
    return str(getattr(function, "__qualname__", type(function).__qualname__))[:100]
