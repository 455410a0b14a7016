"""Numbers, sizes, names and formats as people write them on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest

from headrace.cli.entry import headrace
from headrace.cli.events import events
from headrace.cli.images import make_images_group
from headrace.cli.jobs_list import jobs
from headrace.cli.kinds import (
    ANY_FORMAT,
    AUTO_SIZE,
    DURATION,
    LABEL,
    LEASE_TIME,
    NAME,
    SIZE,
    TIME_LIMIT,
    BoundedKind,
)
from headrace.cli.logs import logs
from headrace.cli.working import worker
from support.said import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize(
    ("command", "words", "name"),
    [(events, ["--last"], "last"), (jobs, ["--limit"], "limit"), (logs, ["job", "--task"], "tasks"),
     (worker, ["--max-tasks"], "max_tasks")],
    ids=str,
)  # fmt: skip
def test_numbers_are_taken_as_people_write_them(
    command: click.Command, words: list[str], name: str
) -> None:
    for text, number in (("1e9", 10**9), ("1_000", 1000), ("2^62", 1 << 62)):
        given = command.make_context("headrace", [*words, text]).params[name]
        assert given in (number, (number,))


@pytest.mark.parametrize("value", ["x" * 201, "a\nb", "\x1b]0;x\x07", "\udcff", "\u202e"])
@pytest.mark.parametrize("kind", [NAME, LABEL])
def test_a_name_of_what_terminals_obey_is_refused(kind: BoundedKind, value: str) -> None:
    with pytest.raises(click.BadParameter, match="printable characters"):
        kind.convert(value, None, None)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DURATION, "0", 0.0),
        (DURATION, "500ms", 0.5),
        (TIME_LIMIT, "1ms", 0.001),
        (LEASE_TIME, "2s", 2.0),
        (SIZE, "1", 1),
        (AUTO_SIZE, "NONE", "none"),
        (AUTO_SIZE, "auto", "auto"),
        (AUTO_SIZE, "1GiB", 1 << 30),
        (SIZE, "1.5MiB", 3 << 19),
        (NAME, "née \u3000 \U0001f600", "née \u3000 \U0001f600"),
    ],
)
def test_what_makes_sense_is_taken(kind: BoundedKind, text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


@pytest.mark.parametrize("word", ["jpg", "JPEG", "Jpg", ".jpg"])
def test_formats_are_taken_as_people_name_them(word: str, tmp_path: Path) -> None:
    blur = make_images_group(embedded=True).commands["blur"]
    context = blur.make_context("blur", ["--format", word, "in", str(tmp_path)])
    assert context.params["file_format"] == "jpeg"


def test_an_unknown_format_is_refused_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = say(capsys, "run", "images", "blur", "--format", "bmp", "in", "out")
    assert said.code == 2
    assert "'bmp' is not one of 'jpeg', 'png', 'webp', 'tiff', 'gif'" in said.err


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DURATION, "500MS", 0.5),
        (DURATION, "2H", 7200.0),
        (SIZE, "1.5mib", 3 << 19),
        (SIZE, "2gb", 2 * 10**9),
        (SIZE, "3KB", 3000),
        (ANY_FORMAT, "JSON", "json"),
        (ANY_FORMAT, ".Npy", "npy"),
        (ANY_FORMAT, "TXT", "text"),
    ],
)
def test_units_and_formats_are_taken_in_any_case(kind: Any, text: str, value: object) -> None:
    assert kind.convert(text, None, None) == value


def list_choices(command: click.Command, context: click.Context) -> Iterator[click.Choice[str]]:
    for parameter in command.params:
        if isinstance(parameter.type, click.Choice):
            yield parameter.type
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from list_choices(inner, context)


def test_every_choice_is_taken_in_any_case() -> None:
    choices = list(list_choices(headrace, click.Context(headrace)))
    assert len(choices) > 8
    for choice in choices:
        for word in choice.choices:
            assert choice.convert(word.upper(), None, None) == word
