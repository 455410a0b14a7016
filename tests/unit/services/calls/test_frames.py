"""Frames of pandas and polars, and Arrow's tables; for each library where it is installed."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from headrace_services.calls.json_lines import write_lines
from headrace_services.calls.outline import OUTLINES
from headrace_services.calls.rebuilding import IMPORTED
from headrace_services.calls.values import pack_value, unpack_value

Travel = Callable[[Any], Any]


def write_json(value: Any) -> Any:
    file = io.BytesIO()
    write_lines(iter([(0, pack_value(value))]), file)
    return json.loads(file.getvalue())["value"]


@pytest.fixture
def pandas() -> Any:
    pytest.importorskip("pyarrow")
    return pytest.importorskip("pandas")


def list_frames(pd: Any) -> list[Any]:
    day = dt.date(2020, 1, 2)
    times = pd.date_range("2020-01-01", periods=3, tz="Europe/Paris")
    return [
        pd.DataFrame({"a": [1, 2, 3], "b": [1.5, float("nan"), 3], "c": ["x", "y", None]}),
        pd.DataFrame({"when": times, "cat": pd.Categorical(["a", "b", "a"])}, index=list("xyz")),
        pd.DataFrame(np.arange(6).reshape(3, 2)),  # labels are numbers
        pd.DataFrame({"a": [day, day], "d": [decimal.Decimal("1.50"), None]}),
        pd.DataFrame({"a": pd.array([1, None], "Int64")}, index=pd.Index([5, 7], name="n")),
        pd.DataFrame({"v": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        pd.DataFrame(),
        pd.DataFrame({"a": []}),
    ]


def test_a_pandas_frame_comes_back_as_it_went(pandas: Any, travel: Travel) -> None:
    for frame in list_frames(pandas):
        back = travel([frame])[0]
        pandas.testing.assert_frame_equal(back, frame)
    back = travel({"f": (pandas.DataFrame({"a": [1, 2]}),)})["f"][0]
    back.loc[0, "a"] = 5
    assert list(back["a"]) == [5, 2]


def test_a_pandas_series_comes_back_as_it_went(pandas: Any, travel: Travel) -> None:
    for series in (
        pandas.Series([1.5, 2.5], name=("a", 1)),
        pandas.Series(["x", "y"], index=[3, 4]),
        pandas.Series([1, 2, 3], name="n")[::2],
    ):
        pandas.testing.assert_series_equal(travel(series), series)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda pd: pd.DataFrame({"a": [object()]}), "its column 'a' holds Python objects"),
        (lambda pd: pd.DataFrame({"a": [[1], [2]]}), "its column 'a' holds Python objects"),
        (lambda pd: pd.DataFrame({"a": [1, "x"]}, dtype=object), "holds Python objects"),
        (lambda pd: pd.DataFrame([[1, 2]], columns=["a", "a"]), "[Dd]uplicate"),
        (lambda pd: pd.DataFrame([[1, 2]], columns=["a", 1]), "labels of its columns"),
    ],
)
def test_a_frame_that_would_come_back_as_another_is_refused(
    pandas: Any, make: Any, reason: str
) -> None:
    told = rf"the value, \['k'\]: a pandas.*cannot travel: .*{reason}"
    with pytest.raises(TypeError, match=told):
        pack_value({"k": make(pandas)})


def test_polars_frames_come_back_as_they_went(travel: Travel) -> None:
    pl: Any = pytest.importorskip("polars")
    frame = pl.DataFrame({
        "a": [1, None, 3], "s": ["x", "y", None], "l": [[1], [], None],
        "d": [dt.date(2020, 1, 2)] * 3,
        "e": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
    })  # fmt: skip
    back = travel([frame, frame["a"]])
    assert back[0].equals(frame)
    assert back[0].schema == frame.schema
    assert back[1].equals(frame["a"])
    assert back[1].name == "a"
    assert travel(pl.DataFrame()).equals(pl.DataFrame())
    with pytest.raises(TypeError, match=r"DataFrame cannot travel"):
        pack_value(pl.DataFrame({"o": [object()]}))


def test_arrow_tables_and_arrays_come_back_as_they_went(travel: Travel) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    table = pa.table({"a": [1, None], "m": [{"x": 1}, {"x": 2}]}, metadata={"k": "v"})
    assert travel(table).equals(table, check_metadata=True)
    batch = table.to_batches()[0]
    assert travel(batch).equals(batch)
    assert travel(batch.slice(0, 0)).equals(batch.slice(0, 0))
    for array in (pa.array([1, None, 3]), pa.array(["a", "b"]), pa.array([], pa.int8())):
        assert travel(array).equals(array)
    chunked = pa.chunked_array([[1, 2], [3]])
    assert travel(chunked).equals(chunked)


def test_frames_are_written_as_rows_and_shown_by_their_kind(pandas: Any) -> None:
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    assert write_json({"f": frame}) == {"f": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}
    assert write_json(pandas.Series([1, 2])) == [1, 2]
    assert unpack_value(pack_value(frame), OUTLINES).kind == "pandas.DataFrame"


def test_a_stream_that_was_changed_is_refused_or_is_a_frame(pandas: Any) -> None:
    packed = pack_value(pandas.DataFrame({"a": [1, 2]}))
    places = range(len(packed) - 600, len(packed), 7)
    refused = 0
    for place in places:
        hostile = bytearray(packed)
        hostile[place] ^= 0xFF
        try:
            assert isinstance(unpack_value(bytes(hostile), IMPORTED), pandas.DataFrame)
        except ValueError:
            refused += 1
    assert 0 < refused < len(places)
