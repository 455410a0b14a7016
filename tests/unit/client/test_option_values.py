"""What options and variables may not be: one clear line, and exit code 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from headrace.cli.backing import backup
from headrace.cli.images import make_images_group
from headrace.cli.jobs_list import jobs
from headrace.cli.jobs_out import results
from headrace.cli.map import make_map_command
from headrace.cli.serving import coordinator
from headrace.cli.working import worker
from support.said import say

if TYPE_CHECKING:
    from pathlib import Path

#: What makes no sense for any number, duration or size.
NONSENSE = ["", " ", "-1", "-1s", "nan", "inf", "-inf", "1e400", "9" * 400, "9" * 20 + "d", "0x10",
            "1\n2", "\x1b[2J"]  # fmt: skip

#: Options, and what else makes no sense for each.
Options = dict[str, list[str]]

COORDINATOR: Options = {
    "--lease": ["0", "0s", "1ms"], "--result-ttl": ["0"], "--spool-limit": ["0"],
    "--shared-limit": ["0"],
}  # fmt: skip

WORKER: Options = {"--drain": [], "--give-up": [], "--max-tasks": ["0"], "--max-rss": ["0"]}


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        pytest.param(command, option, value, id=f"{option} {ascii(value)[:20]}")
        for command, options in ((coordinator, COORDINATOR), (worker, WORKER))
        for option, own in options.items()
        for value in [*NONSENSE, *own]
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(
    command: click.Command, option: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(click.UsageError) as refusal:
        command.make_context("headrace", [option, value])
    error = refusal.value.format_message()
    assert refusal.value.exit_code == 2
    assert error.isprintable()
    assert option in error
    assert len(error) < 1000
    if value.strip():  # an empty variable is as good as none
        monkeypatch.setenv(f"HEADRACE_{option[2:].replace('-', '_').upper()}", value)
        with pytest.raises(click.UsageError) as refusal:
            command.make_context("headrace", [])
        assert refusal.value.format_message().isprintable()


@pytest.mark.parametrize("value", ["-1", "2^63", "2^64", "9" * 23, "1e400", "1.5", "many", ""])
@pytest.mark.parametrize("words", [["events", "--last"], ["jobs", "--limit"],
                                   ["logs", "job", "--task"], ["dead", "replay", "job", "--"],
                                   ["job", "job", "--slowest"],
                                   ["worker", "--max-pixels"]], ids=str)  # fmt: skip
def test_a_number_that_cannot_be_sent_is_one_line_and_exit_code_2(
    words: list[str], value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, *words, value)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "Invalid value" in said.err


@pytest.mark.parametrize(
    "value", ["x" * 5000, "x " * 2500, "\x1b" * 5000], ids=["one", "many", "raw"]
)
@pytest.mark.parametrize(
    "words",
    [["keys", "new"], ["run", "images", "thumbnail", "in", "out", "--size"],
     ["run", "primes", "count", "0", "9", "--slots"], ["jobs", "--key-file"],
     ["jobs", "--coordinator"], ["run", "map", "math:sqrt", "-", "--path"]],
    ids=str,
)  # fmt: skip
def test_a_very_long_value_is_not_repeated_whole(
    words: list[str], value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("HEADRACE_DATA", str(tmp_path))
    said = say(capsys, *words, value)
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert len(said.err) <= 1001


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--engine", "dask", "--dask-scheduler", ""], "--dask-scheduler is empty"),
        (["--engine", "dask", "--dask-scheduler", " "], "--dask-scheduler is empty"),
        (["--engine", "ray", "--ray-address", ""], "--ray-address is empty"),
        (["--engine", "dask", "--dask-scheduler", "127.0.0.1:99999"], "from 1 to 65535"),
    ],
)
def test_an_address_of_another_cluster_that_is_none_is_refused_at_once(
    words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "worker", *words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert why in said.err


@pytest.mark.parametrize(
    "words",
    [["--http", ":0"], ["--http-tls"], ["--http-open"], ["--print-link"], ["--token-file", "t"]],
    ids=str,
)
def test_what_is_about_http_is_refused_where_there_is_none(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "coordinator", "--no-http", *words)
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert f"--no-http leaves nothing for {words[0]} to do: leave one of them out" in said.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("jobs --all --limit 5", "--all leaves nothing for --limit to do"),
        ("events --last 5 --since-start", "--since-start leaves nothing for --last to do"),
        ("submit primes find 0 9 --detach -o new", "--output to do: leave one of them out, or use"),
        ("submit primes find 0 9 --detach --wait 3", "--wait to do: leave one of them out, or use"),
        ("submit primes find 0 9 --detach --format npy", "--format to do: leave one of them out"),
    ],
)
def test_an_option_that_another_leaves_nothing_to_do_is_refused(
    words: str,
    told: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HEADRACE_LIMIT", "7")  # for many commands
    monkeypatch.chdir(tmp_path)  # where a file can be written
    said = say(capsys, *words.split())
    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert told in said.err


PATHS = [
    (coordinator, ["--data", ""]),
    (coordinator, ["--key-file", ""]),
    (worker, ["--key-file", ""]),
    (worker, ["--path", ""]),
    (backup, ["--data", "", "there"]),
    (backup, [""]),
    (results, ["-o", "", "job"]),
    (results, ["--key-file", "", "job"]),
    (make_map_command(embedded=True), ["--path", "", "m:f", "-"]),
    (make_map_command(embedded=False), ["--ship", "", "m:f", "-"]),
    (make_map_command(embedded=False), ["m:f", ""]),
    (make_map_command(embedded=True), ["-o", "", "m:f", "-"]),
    (make_images_group(embedded=True).commands["blur"], ["", "there"]),
    (make_images_group(embedded=True).commands["blur"], ["here", ""]),
]


@pytest.mark.parametrize(("command", "words"), PATHS, ids=str)
def test_an_empty_path_is_refused_and_not_the_present_folder(
    command: click.Command, words: list[str]
) -> None:
    with pytest.raises(click.UsageError, match="is no path") as refusal:
        command.make_context("headrace", words)
    assert refusal.value.exit_code == 2
    assert refusal.value.format_message().isprintable()


@pytest.mark.parametrize(
    ("command", "option"),
    [(coordinator, "--bind"), (coordinator, "--http"), (worker, "--coordinator")],
    ids=str,
)
def test_an_empty_address_is_refused_and_an_empty_variable_counts_as_none(
    command: click.Command, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(click.UsageError, match="'' is not an address"):
        command.make_context("headrace", [option, ""])
    monkeypatch.setenv(f"HEADRACE_{option[2:].upper()}", "")
    given = command.make_context("headrace", []).params[option[2:]]
    assert given.host == "127.0.0.1"


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(
    ("command", "words", "option"),
    [
        (worker, [], "--name"),
        (make_map_command(embedded=True), ["m:f", "-"], "--name"),
        (make_map_command(embedded=False), ["m:f", "-"], "--name"),
        (jobs, [], "--service"),
        (jobs, [], "--text"),
        (jobs, [], "--by"),
        (results, ["job"], "--format"),
    ],
    ids=str,
)
def test_an_empty_name_is_refused_and_an_empty_variable_counts_as_none(
    command: click.Command,
    words: list[str],
    option: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(click.UsageError, match="is empty: leave the option out") as refusal:
        command.make_context("headrace", [option, value, *words])
    assert refusal.value.exit_code == 2
    monkeypatch.setenv(f"HEADRACE_{option[2:].upper()}", "")
    command.make_context("headrace", [*words])


@pytest.mark.parametrize("command", ["run", "submit"])
def test_an_array_file_is_not_written_to_a_terminal(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    said = say(capsys, command, "primes", "find", "0", "10", "--format", "NPY")
    assert (said.code, said.out) == (2, "")
    assert "name a file with -o, or pipe it" in said.err


def test_a_variable_is_named_where_a_wrong_value_is_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = say(capsys, "jobs", "--limit", "0")
    assert given.err.startswith("headrace jobs: Invalid value for '--limit': 0 is not in the range")
    monkeypatch.setenv("HEADRACE_LIMIT", "0")
    assert "'--limit' (env var: 'HEADRACE_LIMIT'): 0 is not" in say(capsys, "jobs").err


@pytest.mark.parametrize("command", ["job", "results", "cancel", "delete", "dead list"])
def test_no_job_has_an_empty_id(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, *command.split(), "")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "'' is no job's id" in said.err


@pytest.mark.parametrize("command", ["job", "logs", "dead replay"])
def test_what_can_be_no_jobs_id_is_told_without_a_coordinator(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, shown in (("x" * 300, "300 characters is"), ("a\x1b[31m", r"'a\x1b[31m' is")):
        said = say(capsys, *command.split(), text)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert f"{shown} no job's id, which is 1 to 64 printable characters" in said.err


@pytest.mark.parametrize("file", ["mine.py", "./code/mine.py"])
def test_who_names_the_file_of_a_module_is_told_what_to_write(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text("1\n")
    said = say(capsys, "run", "map", f"{file}:square", str(records))
    assert said.code == 2
    assert said.err.endswith("names a file: write its module's name, 'mine:square'\n")


def test_pictures_need_a_place_to_go(capsys: pytest.CaptureFixture[str]) -> None:
    said = say(capsys, "run", "images", "blur", "photos")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "'photos' alone is not enough: name the pictures, and then where their copies go" in (
        said.err
    )
    assert "INPUT... OUTPUT" in say(capsys, "run", "images", "blur", "--help").out
