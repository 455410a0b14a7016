from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headrace_wire.errors import KeyRefusedError
from headrace_wire.key import KEY_BYTES, ensure_key, load_key

RACER = """
import sys
from pathlib import Path
from headrace_wire.key import ensure_key
print("ready", flush=True)
sys.stdin.readline()
print(ensure_key(Path(sys.argv[1])).decode(), flush=True)
"""


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    key = ensure_key(path)
    assert ensure_key(path) == key == load_key(path)
    assert len(bytes.fromhex(key.decode())) == KEY_BYTES
    assert [entry.name for entry in path.parent.iterdir()] == ["key"]


def test_keys_differ(tmp_path: Path) -> None:
    assert len({ensure_key(tmp_path / str(number)) for number in range(20)}) == 20


def test_only_its_owner_may_read_a_new_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ensure_key(tmp_path / "key")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    keys = {racer.communicate(timeout=30)[0].strip() for racer in racers}
    assert keys == {load_key(path).decode()}
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_who_comes_second_takes_the_first_ones_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real_link, firsts = tmp_path / "key", os.link, [b"f" * 64]

    def link_too_late(draft: Path, target: Path) -> None:
        target.write_bytes(firsts[0])
        real_link(draft, target)

    monkeypatch.setattr(os, "link", link_too_late)
    assert ensure_key(path) == firsts[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_white_space_around_a_key_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n " + "k" * 32 + "\r\n\n")
    assert load_key(tmp_path / "key") == b"k" * 32


@pytest.mark.parametrize("text", ["", "\n", "password", "k" * 31 + "\n"])
def test_a_short_key_is_refused_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(KeyRefusedError, match=rf"{path} holds {len(text.strip())} characters"):
        load_key(path)
    with pytest.raises(KeyRefusedError):
        ensure_key(path)
    assert path.read_text() == text


def test_a_file_that_never_ends_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to("/dev/zero")
    with pytest.raises(KeyRefusedError, match=r"key is no key: it has more than 4096 characters$"):
        load_key(tmp_path / "key")


def test_a_missing_key_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyRefusedError, match=r"no key at .*/absent: copy .* key_file= \(--key"):
        load_key(tmp_path / "absent")


def test_a_key_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyRefusedError, match=f"key file {tmp_path} cannot be read"):
        load_key(tmp_path)


def test_a_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "key", tmp_path / "file" / "folder" / "key"):
        with pytest.raises(KeyRefusedError, match=f"key file {path} cannot be made"):
            ensure_key(path)
