"""Runs calls in a slot: finds the function, runs its initializer, and calls it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from msgspec.structs import replace

from headrace_services.calls.encoder import ADVICE
from headrace_services.calls.functions import HARMLESS, resolve_class, resolve_function
from headrace_services.calls.main_module import load_main, shares_main
from headrace_services.calls.rebuilding import NO_CALL, FoundClasses, add_note, find_imported
from headrace_services.calls.transport import (
    Serializer,
    check_serializer,
    name_python,
    open_call,
    open_value,
    refuse_pickle,
    seal_value,
    unpickle_value,
)
from headrace_services.calls.values import unpack_value
from headrace_services.permits import Permits, RefusedError
from headrace_services.service import Kept, Parameters, TaskRunner
from headrace_services.task import current_task
from headrace_services.this_slot import THIS_SLOT
from headrace_wire.encoding import unpack
from headrace_wire.tracing import open_span

if TYPE_CHECKING:
    from headrace_services.calls.shipment import Shipment, Shipments

#: What to do about a result that cannot be sent, if the command line requested it.
_COMMAND_ADVICE = "return numbers, text, bytes, lists, dicts or the like"

#: Encodes what a function has returned.
Sealer = Callable[[Any], bytes]

#: How many functions a slot remembers for one job whose tasks call several.
FUNCTIONS_KEPT = 256


class SlotCalls:
    """The calls of one slot."""

    def __init__(self) -> None:
        #: The initializer that has run here: a slot works for one pool with an initializer.
        self._initialized: tuple[object, ...] = ()
        self._shipments: Shipments | None = None

    def prepare(self, operation: str, parameters: Parameters, permits: Permits) -> TaskRunner:
        """Find the function and run the initializer, if it has not run here yet.

        Raises RefusedError for what is not allowed, and ValueError for wrong parameters.
        """
        serializer = check_serializer(parameters.get("serializer"))
        if serializer == "cloudpickle":
            refuse_pickle(permits)
            _refuse_other_python(parameters.get("python"))
        main = parameters.get("main")
        if serializer == "cloudpickle" and isinstance(main, dict):
            load_main(cast("dict[str, object]", main))
        shipment = self._open_shipment(parameters.get("ship"), permits)
        self._enter(shipment)
        if shipment is not None:
            permits = replace(permits, allow=(*permits.allow, *shipment.modules))
        run = self._prepare(operation, parameters, serializer, permits)

        def run_where_it_belongs(index: int, task_input: bytes | None) -> bytes:
            self._enter(shipment)
            return run(index, task_input)

        return run_where_it_belongs

    def _prepare(
        self, operation: str, parameters: Parameters, serializer: Serializer, permits: Permits
    ) -> TaskRunner:
        classes = _make_classes(permits)
        seal = _make_sealer(parameters, serializer)
        if operation == "call":
            self._initialize(parameters, serializer, classes, permits)
            return _make_caller(serializer, classes, permits, seal)
        sealed = _open_kept(parameters.get("function"))
        function = _find(sealed, serializer, permits)
        self._initialize(parameters, serializer, classes, permits)
        if isinstance(sealed, str):
            return _make_runner(operation, lambda _: function, serializer, classes, seal)
        copies = _Copies(lambda: _find(sealed, serializer, permits), parameters.get("chunk"))
        return _make_runner(operation, copies.get, serializer, classes, seal)

    def _open_shipment(self, packed: object, permits: Permits) -> Shipment | None:
        if packed is None:
            return None
        if not permits.ship:
            raise RefusedError(
                "this worker takes no code along with jobs: start it with --allow-ship, or put the "
                "code there and start it with --path and --allow"
            )
        if not isinstance(packed, bytes):
            raise ValueError("the job's shipment is none")  # noqa: TRY004 - wrong parameters
        if self._shipments is None:
            from headrace_services.calls.shipment import Shipments  # noqa: PLC0415 - few jobs have one

            self._shipments = Shipments()
        return self._shipments.open(packed)

    def _enter(self, shipment: Shipment | None) -> None:
        if self._shipments is not None:
            self._shipments.enter(shipment)

    def _initialize(
        self,
        parameters: Parameters,
        serializer: Serializer,
        classes: FoundClasses,
        permits: Permits,
    ) -> None:
        sealed, initargs = parameters.get("initializer"), parameters.get("initargs")
        if sealed is None:
            return
        if not isinstance(initargs, bytes | Kept):
            raise ValueError("the job's initializer has no arguments")  # noqa: TRY004 - wrong parameters
        tenant = parameters.get("tenant")
        about = (tenant,) if tenant else (serializer, parameters.get("pool"), sealed, initargs)
        if about == self._initialized:
            return
        initializer = _find(_open_kept(sealed), serializer, permits)
        args, kwds = open_call(serializer, _open_kept(initargs), classes)
        THIS_SLOT.initializer_begins()
        try:
            initializer(*args, **kwds)
        except BaseException as error:
            add_note(error, NO_CALL)
            raise
        self._initialized = about


def _refuse_other_python(theirs: object) -> None:
    """Refuse code that another version of Python has compiled: running it may crash the slot."""
    if theirs is not None and theirs != name_python():
        raise RefusedError(
            f"the program pickles for Python {theirs!s:.20}, and this worker runs {name_python()}: "
            "start workers with the program's version of Python, or pass functions by name"
        )


def _open_kept(parameter: Any) -> Any:
    return parameter.open() if isinstance(parameter, Kept) else parameter


def _make_sealer(parameters: Parameters, serializer: Serializer) -> Sealer:
    shared = shares_main(parameters)
    advice = _COMMAND_ADVICE if parameters.get("command") else ADVICE

    def seal(result: Any) -> bytes:
        return seal_value(serializer, result, "the result", by_reference=shared, advice=advice)

    return seal


def _make_classes(permits: Permits) -> FoundClasses:
    def find_function(name: str) -> Any:
        return find_imported(name) if name in HARMLESS else resolve_function(name, permits)

    return FoundClasses(lambda name: resolve_class(name, permits), find_function)


class _Copies:
    """The copies of a function that is sent by value: one for each chunk of calls.

    The function may have state, such as the attributes of an object or the variables of a closure.
    So a copy is shared only within a chunk, as in multiprocessing. Decoding for another job in
    between may have changed globals, so a new copy is made then, too.
    """

    _latest: ClassVar[_Copies | None] = None

    def __init__(self, open_copy: Callable[[], Callable[..., Any]], chunk: object) -> None:
        self._open_copy = open_copy
        self._chunk = chunk if isinstance(chunk, int) and chunk > 0 else 1
        self._number = -1
        self._copy: Callable[..., Any] | None = None

    def get(self, index: int) -> Callable[..., Any]:
        """Return the function for the call of this index."""
        number = index // self._chunk
        if self._copy is None or self._number != number:
            if _Copies._latest is not None:
                _Copies._latest.drop()
            self._copy = self._open_copy()
            self._number = number
            _Copies._latest = self
        return self._copy

    def drop(self) -> None:
        """Release the copy, which may be large and is no longer needed."""
        self._copy = None


def _find(sealed: Any, serializer: Serializer, permits: Permits) -> Callable[..., Any]:
    if issubclass(type(sealed), bytes | memoryview):
        if serializer == "cloudpickle":
            function: Callable[..., Any] = unpickle_value(sealed)
            return function
        try:
            found = unpack_value(sealed, _make_classes(permits))
        except RefusedError:
            raise
        except ValueError:
            found = None
        if type(found) is partial:
            return cast("Callable[..., Any]", found)
    if not isinstance(sealed, str):
        raise ValueError("the job names no function")  # noqa: TRY004 - wrong parameters
    # By name, the same functions are allowed with both serializers.
    return resolve_function(sealed, permits)


def _make_caller(
    serializer: Serializer, classes: FoundClasses, permits: Permits, seal: Sealer
) -> TaskRunner:
    @lru_cache(FUNCTIONS_KEPT)
    def find_named(name: str) -> Callable[..., Any]:
        return _find(name, serializer, permits)

    def run_call(index: int, task_input: bytes | None) -> bytes:
        match unpack(_check(index, task_input)):
            case [str() as name, bytes() as frame, str() as label, *trace]:
                function = find_named(name)
            case [bytes() as sealed, bytes() as frame, str() as label, *trace]:
                # Decoded for each call: it may have state, and calls must not see that of others.
                function = _find(sealed, serializer, permits)
            case _:
                raise ValueError(f"task {index} is no call")
        args, kwds = open_call(serializer, frame, classes)
        if trace:
            with _open_call_span(label, trace):
                return seal(function(*args, **kwds))
        return seal(function(*args, **kwds))

    return run_call


def _open_call_span(label: str, trace: list[object]) -> AbstractContextManager[object]:
    """Open the tracing span of a call that has its own trace, like that of a task of a traced
    job.
    """
    about: dict[str, str | int] = {"service": "calls", "operation": label}
    with suppress(RuntimeError):  # if no slot hosts it
        task = current_task()
        about |= {"job": task.job, "task": task.index, "attempt": task.attempt}
    return open_span("headrace run", "CONSUMER", about, parent=str(trace[0]))


def _make_runner(
    operation: str,
    get_function: Callable[[int], Callable[..., Any]],
    serializer: Serializer,
    classes: FoundClasses,
    seal: Sealer,
) -> TaskRunner:
    def run_map(index: int, task_input: bytes | None) -> bytes:
        argument = open_value(serializer, _check(index, task_input), classes)
        return seal(get_function(index)(argument))

    def run_starmap(index: int, task_input: bytes | None) -> bytes:
        args = open_value(serializer, _check(index, task_input), classes)
        return seal(get_function(index)(*args))

    def run_apply(index: int, task_input: bytes | None) -> bytes:
        args, kwds = open_call(serializer, _check(index, task_input), classes)
        return seal(get_function(index)(*args, **kwds))

    return {"map": run_map, "starmap": run_starmap, "apply": run_apply}[operation]


def _check(index: int, task_input: bytes | None) -> bytes:
    if task_input is None:
        raise ValueError(f"task {index} carries no arguments")
    return task_input
