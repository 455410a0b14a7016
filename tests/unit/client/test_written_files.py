"""What a client remembers of earlier runs: files that it wrote, and jobs that it submitted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace import own_jobs, state_files
from headrace.data_folder import find_data_folder
from headrace.state_files import StateFiles
from headrace.written_files import WrittenFiles
from headrace_services.service import Outputs


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def is_ours(place: Path) -> bool:
    return WrittenFiles().is_ours(place, place.stat())


def make(place: Path) -> None:
    place.write_bytes(b"made")
    with WrittenFiles() as made:
        made.add(place, place.stat())
        assert made.is_ours(place, place.stat())


def test_a_later_run_knows_what_an_earlier_one_wrote(tmp_path: Path) -> None:
    make(tmp_path / "a\udcff.jpg")
    make(tmp_path / "b.jpg")
    assert is_ours(tmp_path / "a\udcff.jpg")
    assert is_ours(tmp_path / "b.jpg")


def test_what_others_wrote_or_changed_is_not_ours(tmp_path: Path) -> None:
    for name in ("changed", "replaced", "touched"):
        make(tmp_path / name)
    (tmp_path / "changed").write_bytes(b"more than that")
    (tmp_path / "new").write_bytes(b"made")
    (tmp_path / "new").replace(tmp_path / "replaced")
    os.utime(tmp_path / "touched", ns=(1, 1))
    (tmp_path / "other").touch()
    assert not any(is_ours(place) for place in tmp_path.iterdir() if place.is_file())


def test_what_cannot_be_remembered_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    make(tmp_path / "a")
    assert not is_ours(tmp_path / "a")


def test_a_job_is_known_where_it_was_submitted_and_until_it_is_forgotten(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path, ["a.jpg", "b\udcff.png"], single=False)
    own_jobs.remember("../job", outputs)
    assert own_jobs.recall("../job") == outputs
    assert own_jobs.recall("another") is None
    own_jobs.forget("../job")
    assert own_jobs.recall("../job") is None


def test_what_is_remembered_is_for_its_user_alone_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_files, "MOST_KEPT", 2)
    kept = StateFiles("kind")
    for number in range(4):
        kept.write(str(number), number)
    folder = find_data_folder() / "client" / "kind"
    assert len(list(folder.iterdir())) == 2
    assert kept.read("3", int) == 3
    assert folder.stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in folder.iterdir())


def test_what_no_longer_makes_sense_is_nothing(tmp_path: Path) -> None:
    own_jobs.remember("job", Outputs(tmp_path, ["a"]))
    (file,) = (find_data_folder() / "client" / "jobs").iterdir()
    for content in ("", "[", "7", '{"folder": 1}'):
        file.write_text(content)
        assert own_jobs.recall("job") is None
