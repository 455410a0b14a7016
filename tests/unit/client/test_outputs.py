"""Whether results can be written is found out before there is work for them."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from headrace.cli import jobs_out
from headrace.cli.outputs import explain_unwritable_file, explain_unwritable_folder
from headrace.job import Job
from headrace_wire.errors import UsageError
from support.said import say


def test_where_a_file_can_be_written_nothing_is_left_of_the_trial(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("kept")
    for name in ("old", "new"):
        assert explain_unwritable_file(tmp_path / name) == ""
    assert explain_unwritable_folder(tmp_path / "to" / "be" / "made") == ""
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "kept"
    assert explain_unwritable_file(Path(os.devnull)) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "it is a folder"),
        ("nonesuch/file", "there is no folder"),
        ("x" * 256, "file name too long"),
        ("file/below", "there is no folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_explained(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    assert explain_unwritable_file(tmp_path / name).startswith(why)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="others may not write there")
def test_a_place_where_not_even_root_can_write_is_explained() -> None:
    why = "no file can be made in /proc (no such file or directory)"
    assert explain_unwritable_file(Path("/proc/version")) == why  # which is there
    assert explain_unwritable_file(Path("/proc/headrace")) == why
    assert explain_unwritable_folder(Path("/proc/headrace/pictures")) == why


@pytest.mark.parametrize("words", ["primes find 0 100", "primes count 0 100", "map m:f /dev/null"])
def test_a_command_whose_result_cannot_be_written_begins_no_work(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "run", *words.split(), "-o", "/proc/headrace")
    (line,) = said.err.splitlines()
    assert (said.code, said.out) == (2, "")
    assert "'/proc/headrace' cannot be written" in line


@pytest.mark.parametrize(
    ("service", "refused"), [("primes", True), ("calls", True), ("own", False)]
)
def test_a_folder_is_refused_for_what_is_a_file_and_left_to_services_of_other_packages(
    service: str, refused: bool, tmp_path: Path
) -> None:
    found = cast("Job", SimpleNamespace(status=SimpleNamespace(service=service), parameters={}))
    with pytest.raises(UsageError) if refused else nullcontext():
        jobs_out._refuse_unwritable(found, tmp_path)
