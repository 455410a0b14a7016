"""Frames of pandas and polars, and tables and arrays of Arrow, sent as Arrow's own streams.

The libraries are imported when a value needs them. The stream follows the packed value, as an
array's items do. A frame that would not come back unchanged is refused.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from headrace_services.calls.encoder import FINDERS, Encoder, Taker, UntravelableError, secure
from headrace_services.calls.marks import Mark, expect
from headrace_services.permits import RefusedError

if TYPE_CHECKING:
    from headrace_services.calls.building import Building

#: The supported kinds, by library and class.
KINDS = (
    "pandas.DataFrame",
    "pandas.Series",
    "polars.DataFrame",
    "polars.Series",
    "pyarrow.Table",
    "pyarrow.RecordBatch",
    "pyarrow.Array",
    "pyarrow.ChunkedArray",
)

#: Older versions run code in a stream (CVE-2023-47248).
OLDEST_PYARROW = (14, 0, 1)

#: The types that objects in a column of a pandas frame may have; others would come back
#: differently.
_OBJECTS = frozenset({"string", "bytes", "date", "decimal", "empty"})

#: The only column of a series.
_COLUMN = "0"


def import_pyarrow() -> Any:
    """Import pyarrow. Raises ImportError."""
    arrow: Any = import_module("pyarrow")
    import_module("pyarrow.ipc")
    version = tuple(int(part) for part in arrow.__version__.split(".")[:3] if part.isdecimal())
    if version < OLDEST_PYARROW:
        raise ImportError(f"pyarrow {arrow.__version__} is too old: install a newer one")
    return arrow


def _write_table(table: Any) -> memoryview:
    arrow = import_pyarrow()
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write(table)
    return memoryview(sink.getvalue())


def _read_table(body: memoryview) -> Any:
    arrow = import_pyarrow()
    # The result refers to the body, which is part of the whole value.
    table = arrow.ipc.open_stream(arrow.py_buffer(bytes(body))).read_all()
    table.validate(full=True)
    return table


def _dump_pandas(frame: Any) -> memoryview:
    library: Any = import_module("pandas")
    if frame.columns.inferred_type.startswith("mixed"):
        raise ValueError("the labels of its columns are of several types")
    for place, label in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if column.dtype == object:
            kind = library.api.types.infer_dtype(column, skipna=True)
            if kind not in _OBJECTS:
                raise ValueError(f"its column {label!r} holds Python objects ({kind})")
    table = import_pyarrow().Table.from_pandas(frame)
    back = table.slice(0, 0).to_pandas()
    alike = (
        back.columns.equals(frame.columns)
        and list(back.dtypes) == list(frame.dtypes)
        and list(back.index.names) == list(frame.index.names)
        and (back.index.dtype == frame.index.dtype or len(frame.index.names) > 1)
    )
    if not alike:
        raise ValueError("its labels or types do not come back from Arrow as they are")
    return _write_table(table)


def _dump(kind: str, value: Any) -> tuple[memoryview | bytes, list[Any]]:
    match kind:
        case "pandas.DataFrame":
            return _dump_pandas(value), []
        case "pandas.Series":
            return _dump_pandas(value.to_frame(_COLUMN)), [value.name]
        case "polars.DataFrame" | "polars.Series":
            file = io.BytesIO()
            frame = value if kind.endswith("Frame") else value.to_frame()
            for name, dtype in frame.schema.items():
                if "Object" in repr(dtype):  # only addresses of objects would be sent
                    raise ValueError(f"its column {name!r} holds Python objects")
            frame.write_ipc_stream(file)
            return file.getbuffer(), []
        case "pyarrow.Table" | "pyarrow.RecordBatch":
            return _write_table(value), []
        case _:
            return _write_table(import_pyarrow().table({_COLUMN: value})), []


def _take(kind: str) -> Taker:
    def take(value: Any, encoder: Encoder) -> list[Any]:
        try:
            body, extra = _dump(kind, value)
        except Exception as error:  # noqa: BLE001 - the libraries have errors of their own
            raise UntravelableError(value, str(error) or type(error).__name__) from None
        encoder.buffers.append(body)
        return [_FRAME.sign, kind, *secure(extra)]

    return take


def _build(items: list[Any], building: Building) -> Any:
    kind, *extra = items
    expect([kind], str)
    if kind not in KINDS or len(extra) != (kind == "pandas.Series"):
        raise ValueError("a frame of a kind that is not known")
    return building.classes.make_frame(kind, building.take_buffer(), extra)


def make_frame(kind: str, body: memoryview, extra: list[Any]) -> Any:
    """Make a frame. Raises RefusedError if its library is not installed here."""
    try:
        return _load(kind, body, extra)
    except ImportError as error:
        library = kind.partition(".")[0]
        raise RefusedError(f"a {kind} cannot be opened here ({error}): install {library}") from None


def _load(kind: str, body: memoryview, extra: list[Any]) -> Any:
    match kind:
        case "pandas.DataFrame":
            # Copied, because data that refers to the stream could not be written to.
            return _read_table(body).to_pandas().copy()
        case "pandas.Series":
            return _read_table(body).to_pandas().copy()[_COLUMN].rename(extra[0])
        case "polars.DataFrame" | "polars.Series":
            frame: Any = cast("Any", import_module("polars")).read_ipc_stream(io.BytesIO(body))
            return frame if kind.endswith("Frame") else frame.to_series(0)
        case "pyarrow.Table":
            return _read_table(body)
        case "pyarrow.RecordBatch":
            table = _read_table(body)
            batches = table.combine_chunks().to_batches()
            return (
                batches[0]
                if batches
                else import_pyarrow().RecordBatch.from_pylist([], schema=table.schema)
            )
        case "pyarrow.Array":
            return _read_table(body).column(0).combine_chunks()
        case _:
            return _read_table(body).column(0)


def list_rows(kind: str, body: memoryview) -> list[Any]:
    """Return a frame as rows, or a series as items, of plain values. Raises ImportError and
    ValueError.
    """
    table = _read_table(body)
    if kind.endswith(("Series", "Array")):
        rows: list[Any] = table.column(0).to_pylist()
        return rows
    return list(table.to_pylist())


def _find(kind: type) -> Taker | None:
    library = kind.__module__.partition(".")[0]
    if library not in ("pandas", "polars", "pyarrow") or library not in sys.modules:
        return None
    module: Any = sys.modules[library]
    if library == "pyarrow" and issubclass(kind, module.Array):
        return _take("pyarrow.Array")
    name = f"{library}.{kind.__name__}"
    if name in KINDS and getattr(module, kind.__name__, None) is kind:
        return _take(name)
    return None


_FRAME = Mark(36, _build)
FINDERS.append(_find)
