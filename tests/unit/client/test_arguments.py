"""What pools and executors refuse to be made with, in the words of the standard library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headrace import AsyncCluster, Cluster, Executor, Pool
from headrace.arguments import read_chunksize, read_place
from headrace.connecting import find_encryption
from headrace.engine_choice import choose_engine
from headrace_services.calls.transport import check_serializer
from headrace_wire.engines import EngineChoice
from headrace_wire.errors import UsageError

NAN = float("nan")


@pytest.mark.parametrize("bad", [0, -1, 1.5, "3", 1 << 64])
def test_a_pool_wants_a_positive_number_of_tasks_per_child(bad: Any) -> None:
    with pytest.raises(ValueError, match="maxtasksperchild must be a positive int or None"):
        Pool(1, maxtasksperchild=bad)


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (0, ValueError, "max_tasks_per_child must be >= 1"),
        (1 << 64, ValueError, "max_tasks_per_child must be >= 1"),
        (1.5, TypeError, "max_tasks_per_child must be an integer"),
    ],
)
def test_an_executor_wants_a_positive_number_of_tasks_per_child(
    bad: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        Executor(1, max_tasks_per_child=bad)


@pytest.mark.parametrize("bad", [0, -1, False])
def test_there_is_at_least_one_process(bad: int) -> None:
    with pytest.raises(ValueError, match="Number of processes must be at least 1"):
        Pool(bad)
    with pytest.raises(ValueError, match="max_workers must be greater than 0"):
        Executor(bad)


def test_the_number_of_processes_is_whole() -> None:
    kinds: Any = 1.5
    with pytest.raises(TypeError, match="processes must be an integer, not float"):
        Pool(kinds)
    with pytest.raises(TypeError, match="max_workers must be an integer, not float"):
        Executor(kinds)


@pytest.mark.parametrize(("kind", "name"), [(Pool, "processes"), (Executor, "max_workers")])
@pytest.mark.parametrize("text", ["2", " 16 "])
def test_a_number_as_text_is_no_host(kind: Any, name: str, text: str) -> None:
    told = (
        f"{name} must be an integer, such as {int(text)}, or the address .*, not the text {text!r}"
    )
    with pytest.raises(TypeError, match=told):
        kind(text)


def test_a_number_is_no_host_of_a_cluster_either() -> None:
    for kind in (Cluster, AsyncCluster):
        with pytest.raises(UsageError, match="'7333' is not an address: write HOST:PORT"):
            kind("7333", key_file="absent")
        with pytest.raises(UsageError, match="'2' is no host"):
            kind(("2", 7333), key_file="absent")


@pytest.mark.parametrize("whole", [2, True, np.int64(3)])
def test_whatever_is_a_whole_number_says_how_many_processes_there_are(whole: Any) -> None:
    place = read_place(whole, "processes", "")
    assert type(place) is int
    assert place == whole


@pytest.mark.parametrize("kind", [Pool, Executor])
@pytest.mark.parametrize(
    ("option", "bad", "error"),
    [
        ("task_timeout", 0, ValueError),
        ("task_timeout", -1.0, ValueError),
        ("task_timeout", NAN, ValueError),
        ("task_timeout", float("inf"), ValueError),
        ("task_timeout", 1 << 2000, ValueError),
        ("task_timeout", True, TypeError),
        ("task_timeout", "1", TypeError),
        ("retries", -1, ValueError),
        ("retries", 1 << 64, ValueError),
        ("retries", True, TypeError),
        ("retries", 1.0, TypeError),
        ("priority", 1 << 64, ValueError),
        ("priority", -(1 << 64), ValueError),
        ("priority", NAN, TypeError),
        ("name", 3, TypeError),
    ],
)
def test_options_are_checked_before_anything_starts(
    kind: Any, option: str, bad: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=option):
        kind(1, **{option: bad})


@pytest.mark.parametrize(
    ("kinds", "option", "bad", "told"),
    [
        ((Pool, Executor, Cluster), "engine", [3, b"x", True, []], "engine must be text, such as"),
        ((Cluster, AsyncCluster), "address", [3, b"x", True, ["a", 1], ("a",)], "address must be"),
        ((Cluster, AsyncCluster), "key", [3, "k" * 40, True], "key must be bytes, not "),
        ((Cluster, AsyncCluster), "on_lost", [3, "x"], "on_lost must be a callable, not "),
        ((Cluster, AsyncCluster), "patience_seconds", ["x", None, True], "patience_seconds must"),
        ((Pool, Executor, Cluster, AsyncCluster), "key_file", [3, b"x", True, []], "key_file must"),
        (
            (Pool, Executor, Cluster, AsyncCluster),
            "tls",
            [3, b"on", True, []],
            "tls must be 'auto'",
        ),
        ((Pool, Executor), "serializer", [3, b"x", []], "serializer must be 'msgpack' or 'cloud"),
        ((Pool, Executor), "initargs", [3, None], "initargs must be a tuple of arguments, not "),
    ],
)
def test_an_argument_of_another_type_is_refused_by_its_name(
    kinds: tuple[Any, ...], option: str, bad: list[Any], told: str
) -> None:
    for kind in kinds:
        for value in bad:
            place = () if option in {"engine", "address"} else ("127.0.0.1:1",)
            with pytest.raises(TypeError, match=told):
                kind(*place, **{option: value})


@pytest.mark.parametrize("kind", [Pool, Executor, Cluster, AsyncCluster])
def test_an_address_of_a_host_and_a_port_is_checked_before_anything_starts(kind: Any) -> None:
    with pytest.raises(TypeError, match="the port of an address must be a whole number, not True"):
        kind(("localhost", True), key_file="absent")
    with pytest.raises(ValueError, match="the port of an address must be a number from 1 to 65535"):
        kind(("localhost", 0), key_file="absent")
    with pytest.raises(TypeError, match="the host of an address must be text, not int"):
        kind((1, 7333), key_file="absent")
    with pytest.raises(UsageError, match="'' is no host"):
        kind(("", 7333), key_file="absent")


def test_an_engine_is_not_for_an_address_of_a_host_and_a_port_either() -> None:
    for kind in (Pool, Executor, Cluster):
        with pytest.raises(UsageError, match=r"the one at \[::1\]:7333 its workers decide"):
            kind(("::1", 7333), engine="dask")


def test_words_may_be_in_any_case() -> None:
    assert choose_engine("DASK", None) == EngineChoice("dask")
    assert choose_engine("Ray://Host:6379", None) == EngineChoice("ray", "Host:6379")
    assert find_encryption("OFF").mode == "off"
    assert check_serializer("MsgPack") == "msgpack"


def test_a_method_that_is_called_wrongly_is_told_by_its_own_name() -> None:
    closed: Any = Cluster.__new__(Cluster)
    with pytest.raises(TypeError, match=r"^Cluster\.map\(\) got an unexpected .* 'name'"):
        closed.map(abs, [1], name="n")


def test_a_chunksize_is_a_whole_number_from_one_on() -> None:
    assert read_chunksize(None) is None
    assert read_chunksize(7) == 7
    assert read_chunksize(1 << 80) == (1 << 63) - 1
    with pytest.raises(ValueError, match=r"Chunksize must be 1\+, not 0"):
        read_chunksize(0)
    for bad in (1.5, "3"):
        with pytest.raises(TypeError, match="chunksize must be an integer, not"):
            read_chunksize(bad)
