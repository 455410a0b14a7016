"""The bounds of each value that crosses the wire, which are defined only here.

    priority: Priority                      an int from -100 to 100
    name: Name                              up to 200 printable characters
    timeout_seconds: TimeLimit | None       a finite number of seconds, or None

The aliases annotate the fields of messages, the parameters of the API's methods, and the options of
the command line and of Python programs. msgspec enforces them on what arrives: see
``headrace_wire.message``.
"""

from __future__ import annotations

import math
import operator
import re
import sys
from functools import cache, partial
from numbers import Real
from types import NoneType
from typing import Annotated, Any, TypeGuard, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from headrace_wire.errors import BoundsError

#: The largest integer: the store and other programs use signed 64-bit integers.
MAX_INTEGER = (1 << 63) - 1

#: The maximum number of tasks in one job.
MAX_TASKS = 1 << 62

#: The longest time that can be requested: a hundred years.
MAX_SECONDS = 36525 * 86400.0

#: The shortest time limit of a task; slots are not checked more often.
MIN_LIMIT_SECONDS = 0.001

#: The last second of the year 9999: dates have four digits for the year.
MAX_MOMENT = 253402300799.0

#: The maximum length of a name, of an identifier, and of a text for people, in characters.
MAX_NAME_CHARACTERS = 200
MAX_IDENTIFIER_CHARACTERS = 64
MAX_TEXT_CHARACTERS = 1 << 16

#: The maximum size of one job's parameters in bytes. They stay in memory; larger data belongs in
#: the inputs.
MAX_PARAMETER_BYTES = 4 << 20

#: The maximum size of one payload in bytes; a frame cannot contain more.
MAX_PAYLOAD_BYTES = 256 << 20

#: The maximum number of tasks whose inputs or values are in one batch.
MAX_BATCH_TASKS = 1 << 17

#: The maximum number of tasks that one call can name.
MAX_NAMED_TASKS = 1 << 17

#: The maximum number of runs of tasks in one picture of a job.
MAX_TASK_RUNS = 20_000

#: The maximum number of entries in one list that are not tasks: leases, jobs, requests.
MAX_ENTRIES = 100_000

#: The maximum number of jobs, workers and shared objects of a coordinator, and of bytes of all
#: jobs' parameters.
MAX_JOBS = 100_000
MAX_WORKERS = 4096
MAX_OBJECTS = 100_000
MAX_ALL_PARAMETER_BYTES = 1 << 30

#: How many of the newest lines of a job's log are kept at least, or how many bytes of them.
LOG_LINES_KEPT = 10_000
LOG_BYTES_KEPT = 4 << 20

#: The maximum number of services of one worker.
MAX_SERVICES = 32

#: The maximum number of counters that the tasks of a job may define.
MAX_COUNTERS = 100

#: The range of the priorities of jobs.
MIN_PRIORITY, MAX_PRIORITY = -100, 100

#: The maximum number of slots of one worker.
MAX_SLOTS = 4096

#: How many running tasks a worker reports: heartbeats should be small, and people look at a few.
MAX_RUNNING_TOLD = 256

#: The maximum number of attempts of a task after the first one.
MAX_RETRIES = 1000

#: Characters that move the cursor, change the direction of text, or are invalid: terminals obey
#: them, and log readers treat them as the end of a line. Two joiners are excluded, because some
#: scripts need them.
UNPRINTABLE = (
    "\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f"
    "\\ud800-\\udfff\\ufeff\\ufff9-\\ufffb\\ufffe\\uffff\\U000e0000-\\U000e007f"
)

#: The names of types in messages.
KIND_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bytes: "bytes",
    bool: "True or False",
}


#: A number from 0 on: a quantity or an ordinal.
Count = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]

#: The index of a task in a job, or the number of its tasks.
Index = Annotated[int, Meta(ge=0, le=MAX_TASKS)]

#: A number of either sign.
Number = Annotated[int, Meta(ge=-MAX_INTEGER - 1, le=MAX_INTEGER)]

Priority = Annotated[int, Meta(ge=MIN_PRIORITY, le=MAX_PRIORITY)]
Retries = Annotated[int, Meta(ge=0, le=MAX_RETRIES)]
Slots = Annotated[int, Meta(ge=0, le=MAX_SLOTS)]

#: A duration.
Seconds = Annotated[float, Meta(ge=0, le=MAX_SECONDS)]

#: A duration after which something is ended.
TimeLimit = Annotated[float, Meta(ge=MIN_LIMIT_SECONDS, le=MAX_SECONDS)]

#: After how many seconds of silence a worker or a session counts as lost.
LeaseTime = Annotated[float, Meta(ge=0.1, le=MAX_SECONDS)]

#: A limit for a size.
SizeLimit = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]

#: A limit for a slot's memory, in bytes: with less it could not even start.
MemoryLimit = Annotated[int, Meta(ge=128 << 20, le=MAX_INTEGER)]

#: A limit for a number of things.
CountLimit = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]

#: A time in Unix seconds.
Moment = Annotated[float, Meta(ge=0, le=MAX_MOMENT)]

#: A quantity that can be added up without limit.
Amount = Annotated[float, Meta(ge=0, le=sys.float_info.max)]


def _limit_text(least: int, most: int, pattern: str, what: str) -> Meta:
    """Return the bounds of a text with this many characters that match a pattern."""
    number = f"{least} to {most}" if least else f"up to {most}"
    return Meta(min_length=least, max_length=most, pattern=pattern, description=f"{number} {what}")


_limit_identifier = partial(
    _limit_text,
    most=MAX_IDENTIFIER_CHARACTERS,
    pattern=r"\A[A-Za-z0-9_.:+-]*\Z",
    what="letters, digits and _ . : + -",
)
_limit_name = partial(_limit_text, pattern=rf"\A[^{UNPRINTABLE}]*\Z", what="printable characters")

#: The name of something that programs name: a service, an operation, a worker's or session's id.
Identifier = Annotated[str, _limit_identifier(1)]

#: An identifier, or "".
OptionalIdentifier = Annotated[str, _limit_identifier(0)]

#: A name that people chose, of a job or of shared state.
Name = Annotated[str, _limit_name(0, MAX_NAME_CHARACTERS)]

#: A name that people chose and that becomes a label of metrics: of a worker or of a counter.
Label = Annotated[str, _limit_name(1, MAX_IDENTIFIER_CHARACTERS)]

#: The id of a job, which its client chooses.
JobId = Label

#: The name of a worker, or "".
OptionalLabel = Annotated[str, _limit_name(0, MAX_IDENTIFIER_CHARACTERS)]

#: Text for people, with any characters; the code that prints it escapes them.
Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARACTERS)]

Parameters = Annotated[
    bytes,
    Meta(
        max_length=MAX_PARAMETER_BYTES,
        description=f"at most {MAX_PARAMETER_BYTES} bytes (carry what is larger in the inputs)",
    ),
]
Payload = Annotated[bytes, Meta(max_length=MAX_PAYLOAD_BYTES)]
Port = Annotated[int, Meta(ge=1, le=65535)]


def check_value(hint: Any, value: Any, what: str) -> Any:
    """Check a value of a program against its annotation, and convert numbers of any type.

    A value without bounds, and one that is not plain, is returned unchanged. Raises TypeError, and
    BoundsError, which is also a ValueError.
    """
    kind, meta, is_optional = split_hint(hint)
    if kind not in KIND_WORDS or (is_optional and value is None):
        return value
    value = _convert(kind, value, what)
    if meta and not is_within(meta, value):
        raise BoundsError(f"{what} must be {describe(meta, kind)}, not {quote(value)}")
    return value


def check_fields(record: Struct, kind: type[Struct] | None = None) -> None:
    """Check a record's fields as ``check_value`` does; for its ``__post_init__``.

    The bounds are those of the same fields of ``kind``, or else the record's own.
    """
    hints = read_hints(kind or type(record))
    for name in record.__struct_fields__:
        force_setattr(record, name, check_value(hints[name], getattr(record, name), name))


@cache
def read_hints(kind: Any) -> dict[str, Any]:
    """Return the annotations of a record's fields, with their bounds, in order."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__}


@cache
def split_hint(hint: Any) -> tuple[Any, Meta | None, bool]:
    """Return the type in an annotation, its bounds, and whether None is also allowed."""
    is_optional = NoneType in get_args(hint)
    if is_optional:
        (hint,) = [one for one in get_args(hint) if one is not NoneType]
    kind, meta = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
    return kind, meta, is_optional


def is_record(kind: Any) -> TypeGuard[type[Struct]]:
    """Return whether a type is a record with fields, as messages and their parts are."""
    return isinstance(kind, type) and issubclass(kind, Struct)


def is_within(meta: Meta, value: Any) -> bool:
    """Return whether a value of the right type is within its bounds."""
    if isinstance(value, int | float):
        low, high = find_range(meta)
        return low <= value <= high  # False for a NaN
    if not (meta.min_length or 0) <= len(value) <= (meta.max_length or sys.maxsize):
        return False
    return meta.pattern is None or re.search(meta.pattern, value) is not None


def find_range(meta: Meta) -> tuple[float, float]:
    """Return the smallest and the largest number of a range."""
    return -math.inf if meta.ge is None else meta.ge, math.inf if meta.le is None else meta.le


def describe(meta: Meta, kind: Any) -> str:
    """Describe in words what a value may be."""
    if meta.description:
        return meta.description
    if kind in (int, float):
        low, high = find_range(meta)
        return f"a number from {_write(low)} to {_write(high)}"
    unit = {str: "characters", bytes: "bytes"}.get(kind, "entries")
    return f"at most {meta.max_length} {unit}"


def fit_name(text: str, most: int = MAX_NAME_CHARACTERS) -> str:
    """Return a text as ``Name`` allows it: unprintable characters are replaced, and it is
    shortened.
    """
    return re.sub(f"[{UNPRINTABLE}]", "?", text[:most])


def quote(value: object) -> str:
    """Return a value for one line of a message: short, and without control characters."""
    if isinstance(value, bytes | tuple | list | dict):
        return f"{len(value)}"  # pyright: ignore[reportUnknownArgumentType] - any contents
    if isinstance(value, str) and len(value) > MAX_NAME_CHARACTERS:
        return f"{len(value)} characters"
    shown = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return shown if len(shown) <= MAX_NAME_CHARACTERS else f"{shown[:MAX_NAME_CHARACTERS]}…"


def _write(number: float) -> str:
    if isinstance(number, int):
        return str(number)
    return f"{number:.15g}" if abs(number) < 1e15 else f"{number:.3g}"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)  # pyright: ignore[reportUnnecessaryIsInstance] - a bool is registered as one


def _convert(kind: Any, value: Any, what: str) -> Any:
    """Convert a value to exactly this type. Raises TypeError."""
    number = _is_number(value)
    if kind is int and number:
        try:
            return operator.index(value)
        except TypeError:
            pass  # such as 1.5
    elif kind is float and number:
        try:
            return float(value)
        except OverflowError:
            return math.inf
    elif kind is not int and kind is not float and isinstance(value, kind):
        return kind(value)
    raise TypeError(f"{what} must be {KIND_WORDS[kind]}, not {quote(value)}")
