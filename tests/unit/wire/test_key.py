from __future__ import annotations

import base64
import hashlib
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from headrace_wire import key
from headrace_wire.errors import EXIT_UNAVAILABLE, KeyRefusedError, StoreError
from headrace_wire.key import KEY_BYTES, ensure_key, find_key, load_key
from support.full_disk import fill_disk
from support.privileges import obey_modes

RACER = """
import sys
from pathlib import Path
from headrace_wire.key import ensure_key
print("ready", flush=True)
sys.stdin.readline()
print(ensure_key(Path(sys.argv[1])).decode(), flush=True)
"""


KEY = hashlib.sha256(b"a key").hexdigest().encode()
DIGEST = hashlib.sha256(b"a key").digest()


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def test_a_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    made = ensure_key(path)
    assert ensure_key(path) == made == load_key(path)
    assert len(bytes.fromhex(made.decode())) == KEY_BYTES
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
    path, real_link, firsts = tmp_path / "key", os.link, [KEY]

    def link_too_late(draft: Path, target: Path) -> None:
        target.write_bytes(firsts[0])
        target.chmod(0o600)
        real_link(draft, target)

    monkeypatch.setattr(os, "link", link_too_late)
    assert ensure_key(path) == firsts[0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_white_space_around_a_key_does_not_count(tmp_path: Path) -> None:
    write(tmp_path / "key", b"\n " + KEY + b"\r\n\n")
    assert load_key(tmp_path / "key") == KEY


@pytest.mark.parametrize(
    "content",
    [KEY, KEY.upper(), base64.b64encode(DIGEST).rstrip(b"="), base64.b64encode(DIGEST), DIGEST],
    ids=["hexadecimal", "capitals", "unpadded", "base64", "bytes"],
)
def test_a_random_key_is_taken_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "key", content)
    assert load_key(tmp_path / "key") == content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"a" * 64, "holds nothing random"),
        (b"password" * 8, "holds nothing random"),
        (KEY[:16] * 4, "holds nothing random"),
        (bytes(64), "holds nothing random"),
        (KEY[:62], "holds 62 characters, which is too few"),
        (base64.b64encode(DIGEST)[:42], "holds 42 characters, which is too few"),
        (KEY[:40] + b"\n" + KEY[40:], "has more than one line or word"),
        (KEY + b"\n" + KEY[::-1] + b"\n", "has more than one line or word"),
    ],
    ids=["one letter", "a word", "a part", "zeros", "short", "short base64", "broken", "two"],
)
def test_what_is_not_random_enough_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    write(tmp_path / "key", content)
    with pytest.raises(KeyRefusedError, match=f"key file {tmp_path}/key {why}: a key is one line"):
        load_key(tmp_path / "key")


@pytest.mark.parametrize("mode", [0o640, 0o644, 0o604, 0o666, 0o620, 0o660, 0o601])
def test_a_key_of_one_s_own_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "key", KEY, mode)
    advice = re.escape(f"(mode {mode:04o}): chmod 600 {shlex.quote(f'{tmp_path}/key')}")
    with pytest.raises(KeyRefusedError, match=f"{advice}$"):
        load_key(tmp_path / "key")


@pytest.mark.parametrize(("mode", "taken"), [(0o440, True), (0o444, True), (0o464, False)])
def test_a_key_of_another_user_s_may_be_read_but_not_changed_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, taken: bool
) -> None:
    write(tmp_path / "key", KEY, mode)
    monkeypatch.setattr(os, "geteuid", lambda: (tmp_path / "key").stat().st_uid + 1)
    if taken:
        assert load_key(tmp_path / "key") == KEY
    else:
        with pytest.raises(KeyRefusedError, match="others may change"):
            load_key(tmp_path / "key")


def test_a_secret_of_docker_s_may_be_read_by_all_users_of_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "secrets" / "key", KEY, 0o444)
    (tmp_path / "key").symlink_to(tmp_path / "secrets" / "key")
    monkeypatch.setattr(key, "SECRETS", tmp_path / "secrets")
    assert load_key(tmp_path / "key") == KEY


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    with pytest.raises(KeyRefusedError, match=r"key is a pipe: name a file$"):
        load_key(tmp_path / "key")


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
    with pytest.raises(
        KeyRefusedError, match=r"no key at .*/absent: copy .* or name another key file$"
    ):
        load_key(tmp_path / "absent")


def test_the_first_of_several_files_that_is_there_is_read(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name / "key" for name in ("one", "two", "three"))
    told = rf"no key at {first}, nor at {second}: copy the coordinator's key file to one of these"
    with pytest.raises(KeyRefusedError, match=rf"^{told}, or name another key file$"):
        load_key(first, second)
    for path in (second, third):
        path.parent.mkdir()
    key, other = ensure_key(second), ensure_key(third)
    assert (load_key(first, second, third), load_key(third, second)) == (key, other)
    assert find_key(first, second, third) == second
    assert find_key(first) == first


def test_a_file_that_is_there_is_read_even_if_it_is_no_key(tmp_path: Path) -> None:
    ensure_key(tmp_path / "key")
    (tmp_path / "empty").touch()
    with pytest.raises(KeyRefusedError, match=rf"key file {tmp_path / 'empty'} holds 0 characters"):
        load_key(tmp_path / "empty", tmp_path / "key")


def test_a_folder_that_may_not_be_entered_is_told_instead_of_another_key(tmp_path: Path) -> None:
    ensure_key(tmp_path / "key")
    closed = tmp_path / "closed" / "key"
    closed.parent.mkdir(0o600)
    told = f"key file {closed} cannot be read: user .* may not enter {closed.parent}"
    with obey_modes(), pytest.raises(KeyRefusedError, match=told):
        load_key(closed, tmp_path / "key")


def test_a_key_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyRefusedError, match=f"key file {tmp_path} cannot be read"):
        load_key(tmp_path)


def test_a_key_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "key", tmp_path / "file" / "folder" / "key"):
        with pytest.raises(KeyRefusedError, match=f"key file {path} cannot be made"):
            ensure_key(path)


@pytest.mark.parametrize("place", ["key", "folder/key"])
def test_a_key_for_which_there_is_no_room_was_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = tmp_path / place
    fill_disk(monkeypatch)
    with pytest.raises(StoreError, match=f"make room on the disk of {path.parent}$") as caught:
        ensure_key(path)
    assert str(caught.value).startswith(f"key file {path} cannot be made, as its disk is full")
    assert caught.value.exit_code == EXIT_UNAVAILABLE
