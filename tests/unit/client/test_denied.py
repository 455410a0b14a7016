"""Files and folders that a user may not use: which, why, and what to do, in one line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace_wire.permissions import WRITE, explain_denied
from support.pictures import encode, make_picture
from support.privileges import obey_modes
from support.said import say

ADVICE = ": change that with chmod or chown, or do this as another user"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files that may not be read, in folders that may not be entered, listed or written."""
    monkeypatch.chdir(tmp_path)
    picture = encode(make_picture(8, 6), "PNG")
    for folder in ("closed", "listed", "kept", "open"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(picture)
        (tmp_path / folder / "key").write_text("0" * 64)
    (tmp_path / "store").mkdir()
    for name in ("secret.jsonl", "secret.csv", "open/secret.py", "store/lock"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / "one.jsonl").write_text("1\n")
    for name in (
        "secret.jsonl", "secret.csv", "open/secret.py", "open/key", "store/lock", "closed",
    ):  # fmt: skip
        (tmp_path / name).chmod(0)
    (tmp_path / "listed").chmod(0o600)
    (tmp_path / "kept").chmod(0o500)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "code", "denied"),
    [
        ("run map m:f secret.jsonl", 2, "read {}/secret.jsonl"),
        ("run map m:f secret.csv", 2, "read {}/secret.csv"),
        ("run map m:f closed/x.jsonl", 2, "enter {}/closed"),
        ("run map m:f one.jsonl --path closed", 2, "read {}/closed"),
        ("run map m:f one.jsonl -o kept/out", 2, "write {}/kept"),
        ("run map m:f one.jsonl -o closed/out", 2, "enter {}/closed"),
        ("submit map m:f one.jsonl --ship closed", 2, "read {}/closed"),
        ("submit map m:f one.jsonl --ship open", 2, "read {}/open/key"),
        ("run images blur closed out", 2, "read {}/closed"),
        ("run images blur listed out", 2, "enter {}/listed"),
        ("run images blur closed/a.png out", 2, "enter {}/closed"),
        ("run images blur open/a.png kept/new", 2, "write {}/kept"),
        ("run images blur open/a.png closed/out", 2, "enter {}/closed"),
        ("jobs --key-file open/key", 77, "read {}/open/key"),
        ("jobs --key-file closed/key", 77, "enter {}/closed"),
        ("worker --unreported closed/x --key-file kept/key", 2, "enter {}/closed"),
        ("worker --unreported kept --key-file kept/key", 2, "write {}/kept"),
        ("coordinator --data closed", 2, "read {}/closed"),
        ("coordinator --data kept --no-http --bind 127.0.0.1:0", 2, "write {}/kept"),
        ("coordinator --data store --no-http --bind 127.0.0.1:0", 2, "write {}/store/lock"),
        ("coordinator --data new --key-file kept/k --no-http --bind :0", 77, "write {}/kept"),
        ("backup copy --data closed", 2, "read {}/closed"),
    ],
)  # fmt: skip
def test_what_may_not_be_used_is_named_with_what_to_do(
    place: Path, capsys: pytest.CaptureFixture[str], words: str, code: int, denied: str
) -> None:
    with obey_modes():
        said = say(capsys, *words.split())
    (line,) = said.err.splitlines()
    assert said.code == code, line
    assert f"may not {denied.format(place)}, which belongs to " in line
    assert ADVICE in line


def test_what_may_be_used_needs_no_words(place: Path) -> None:
    with obey_modes():
        for name in ("one.jsonl", "kept", "kept/a.png", "nothing", "no/such"):
            assert explain_denied(place / name) == ""
        assert explain_denied(place / "open" / "new", WRITE) == ""


def test_a_link_is_judged_by_what_it_leads_to(place: Path) -> None:
    (place / "link").symlink_to(place / "secret.csv")
    with obey_modes():
        assert "may not read" in explain_denied(place / "link")


def test_a_user_without_a_name_is_perhaps_a_containers(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = " (HEADRACE_USER in compose.yaml, before its first start)"
    with obey_modes():
        monkeypatch.setattr("headrace_wire.permissions.name_user", lambda _: "anna")
        assert explain_denied(place / "secret.csv").endswith(ADVICE)
        monkeypatch.setattr("headrace_wire.permissions.name_user", str)
        assert explain_denied(place / "secret.csv").endswith(f"{ADVICE}{hint}")


@pytest.fixture(autouse=True)
def open_again(place: Path) -> object:
    yield
    for folder in ("closed", "listed", "kept"):
        (place / folder).chmod(0o700)
        shutil.rmtree(place / folder)


def test_a_read_only_file_system_is_not_a_matter_of_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    access, measure = os.access, os.statvfs
    flags = {"f_flag": os.ST_RDONLY}
    monkeypatch.setattr(
        os, "access", lambda path, how, **options: how != os.W_OK and access(path, how, **options)
    )
    for name in ("", "file", "new"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "statvfs", lambda _: SimpleNamespace(**flags))
            place = tmp_path / (name if name != "new" else "")
            assert explain_denied(tmp_path / name, WRITE) == (
                f"{place} is on a file system that is mounted read-only: name a place on another"
            )
        assert not measure(tmp_path).f_flag & os.ST_RDONLY
        assert "(mode 0" in explain_denied(tmp_path / name, WRITE)
