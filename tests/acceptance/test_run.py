"""``headrace run``: the services on this machine, as a newcomer uses them."""

from __future__ import annotations

import os
import re
import resource
import shlex
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image, ImageFilter

from headrace_worker.settings import DEFAULT_FAREWELL_SECONDS
from support.commands import HEADRACE, Shell, wait_until


def make_pictures(folder: Path, count: int = 3) -> None:
    """Noise with structure, as PNG, so that a filter's result can be compared."""
    folder.mkdir()
    random = np.random.default_rng(7)
    for number in range(count):
        pixels = random.integers(0, 256, (80 + number, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def test_the_result_is_printed_alone(shell: Shell) -> None:
    done = shell.run("run", "primes", "count", "0", "1e8")
    assert (done.code, done.out) == (0, "5761455\n")
    assert len(done.err.splitlines()) == 1, "one summary line for people"
    assert "0 failed" in done.err
    assert "s CPU in slots" in done.err


def test_numbers_to_test_come_from_standard_input(shell: Shell) -> None:
    done = shell.run("run", "primes", "test", "-", stdin="97\n91 1_000_003\n")
    assert done.out == "97 prime\n91 composite\n1000003 prime\n"


def test_json_is_the_job_with_its_result(shell: Shell) -> None:
    (shell.home / "4.jsonl").write_text("4\n4\n")
    shown = shell.run("run", "map", "math:sqrt", "4.jsonl", "--json").json()
    assert (shown["state"], shown["service"], shown["failed"]) == ("succeeded", "calls", 0)
    assert shown["result"] == [{"index": 0, "value": 2.0}, {"index": 1, "value": 2.0}]


def test_with_json_the_results_go_to_the_file_in_the_format_asked_for(
    shell: Shell, tmp_path: Path
) -> None:
    words = ("run", "primes", "find", "0", "20", "--json", "--format", "npy")
    shown = shell.run(*words, "-o", "primes.npy").json()
    assert shown["result"] == {"primes": 8, "path": "primes.npy"}
    assert np.load(tmp_path / "primes.npy").tolist() == [2, 3, 5, 7, 11, 13, 17, 19]
    refused = shell.run(*words)
    assert (refused.code, refused.out) == (2, "")
    assert "name a file for them with -o" in refused.err


def test_blurred_pictures_equal_pillows_whether_they_are_sent_or_shared(
    shell: Shell, tmp_path: Path
) -> None:
    make_pictures(tmp_path / "in")
    for folder, words in (("sent", ()), ("shared", ("--shared",))):
        done = shell.run(
            "run", "images", "blur", tmp_path / "in", tmp_path / folder, "--radius", "3", *words
        )
        assert (done.code, done.out) == (0, "")
        assert "3 pictures" in done.err
    for path in sorted((tmp_path / "in").iterdir()):
        want = np.asarray(Image.open(path).filter(ImageFilter.GaussianBlur(3)), dtype=int)
        got = np.asarray(Image.open(tmp_path / "sent" / path.name), dtype=int)
        assert np.abs(want - got).mean() < 1.5
        sent, shared = (tmp_path / folder / path.name for folder in ("sent", "shared"))
        assert sent.read_bytes() == shared.read_bytes()


def test_one_picture_goes_into_one_file_of_the_format_that_its_name_says(
    shell: Shell, tmp_path: Path
) -> None:
    make_pictures(tmp_path / "in")
    done = shell.run("run", "images", "blur", "in/0.png", "out.JPG")
    assert done.code == 0, done.err
    with Image.open(tmp_path / "out.JPG") as picture:
        assert picture.format == "JPEG"
    assert done.err.rstrip().endswith("to out.JPG")


def test_a_broken_picture_fails_alone(shell: Shell, tmp_path: Path) -> None:
    make_pictures(tmp_path / "in")
    whole = (tmp_path / "in" / "0.png").read_bytes()
    (tmp_path / "in" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "empty.jpg").touch()
    done = shell.run("run", "images", "grayscale", tmp_path / "in", tmp_path / "out")
    assert done.code == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0.png", "1.png", "2.png"]
    failed = [line for line in done.err.splitlines() if line.startswith("failed:")]
    assert len(failed) == 2
    assert any("cut.png" in line for line in failed)
    assert any("empty.jpg" in line for line in failed)


BAD_INPUT = {
    ("primes", "count", "10", "5"): "reversed",
    ("primes", "count", "-5", "5"): "negative",
    ("primes", "count", "0", "2^64+1"): "2^64",
    ("primes", "count", "zero", "5"): "zero",
    ("primes", "count", "0", "1e9", "--slots", "0"): "slots",
    ("primes", "find", "0", "9", "-o", "nowhere/primes.txt"): "nowhere",
    ("images", "blur", "nothing", "out"): "nothing",
    ("images", "blur", "empty", "out"): "empty",
    ("images", "thumbnail", "pictures", "out", "--size", "big"): "big",
    ("images", "blur", "pictures", "pictures"): "pictures",
    ("images", "blur", "pictures", "file.txt/out"): "file.txt",
    ("images", "blur", "pictures/0.png", "out.xyz"): "out.xyz ends in .xyz",
}


@pytest.mark.parametrize("words", BAD_INPUT, ids=" ".join)
def test_bad_input_gets_one_line_and_leaves_nothing(
    shell: Shell, tmp_path: Path, words: tuple[str, ...]
) -> None:
    make_pictures(tmp_path / "pictures", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    done = shell.run("run", *words)
    assert done.code in (1, 2)
    assert done.out == ""
    lines = [line for line in done.err.splitlines() if not line.startswith("primes find:")]
    assert len(lines) == 1, done.err
    assert BAD_INPUT[words] in lines[0]
    assert sorted(path for path in tmp_path.rglob("*") if path not in before) == []


def wait_for_family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """What a run has started, as soon as it is all there: coordinator, worker, forks and slots."""
    run = psutil.Process(process.pid)
    wait_until(lambda: len(run.children(recursive=True)) >= 4)
    return run.children(recursive=True)


def test_ctrl_c_ends_everything_that_was_started(shell: Shell) -> None:
    process = shell.start("run", "primes", "count", "0", "1e14", start_new_session=True)
    family = wait_for_family(process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    gone, alive = psutil.wait_procs(family, timeout=15)
    assert not alive, alive
    assert len(gone) >= 4


def test_ctrl_c_says_how_many_pictures_are_written(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.effect_noise((1500, 1500), 40).save(tmp_path / "in" / "0.png")
    for number in range(1, 100):
        (tmp_path / "in" / f"{number}.png").hardlink_to(tmp_path / "in" / "0.png")
    process = shell.start("run", "images", "blur", "in", "out", "--slots", "1")
    wait_until(lambda: list(tmp_path.glob("out/*.png")))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    (said,) = re.findall(r"headrace: interrupted; (\d+) of 100 pictures written", err)
    # One may be in its place already and not be counted yet.
    assert len(list(tmp_path.glob("out/*.png"))) - int(said) in (0, 1)


def test_a_killed_run_leaves_no_process_behind(shell: Shell) -> None:
    process = shell.start("run", "primes", "count", "0", "1e14")
    family = wait_for_family(process)
    process.kill()
    process.communicate(timeout=30)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, alive


def test_a_reader_that_goes_away_ends_the_job_quietly(shell: Shell, tmp_path: Path) -> None:
    command = f"({shlex.quote(HEADRACE)} run primes find 0 3e7; echo $? >code) | head -n 2"
    done = subprocess.run(
        command, shell=True, check=True, capture_output=True, text=True, cwd=tmp_path,
        env=shell.environment, timeout=60,
    )  # fmt: skip
    assert done.stdout == "2\n3\n"
    wait_until(lambda: (tmp_path / "code").exists() and (tmp_path / "code").read_text())
    assert (tmp_path / "code").read_text() == "141\n", "as the shell shows SIGPIPE"
    assert "Traceback" not in done.stderr


def peak_of_run(shell: Shell, *words: str) -> int:
    """Peak resident memory in bytes of the largest process of a run: client, worker or other."""
    process = shell.start("run", *words)
    _, status, usage = os.wait4(process.pid, 0)
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
def test_memory_does_not_grow_with_the_range(shell: Shell, tmp_path: Path) -> None:
    small = peak_of_run(shell, "primes", "find", "0", "1e8", "-o", str(tmp_path / "small"))
    large = peak_of_run(shell, "primes", "find", "0", "5e8", "-o", str(tmp_path / "large"))
    assert large < small + (48 << 20), "256 MB of text went through"
    with (tmp_path / "large").open("rb") as file:
        assert (
            sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) == 26355867
        )


UNWRITABLE = "standard output cannot be written: Bad file descriptor"


@pytest.mark.parametrize(
    ("closed", "words", "code", "line"),
    [
        (0, ["primes", "test", "-"], 2, "standard input cannot be read: Bad file descriptor"),
        (1, ["primes", "count", "0", "9"], 1, UNWRITABLE),
        (2, ["primes", "count", "0", "9"], 0, ""),
    ],
    ids=str,
)  # fmt: skip
def test_a_standard_stream_that_is_closed_is_no_fault_of_the_work(
    shell: Shell, closed: int, words: list[str], code: int, line: str
) -> None:
    process = shell.start("run", *words, preexec_fn=lambda: os.close(closed))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "4\n" if code == 0 else "")
    said = [text for text in err.splitlines() if not text.startswith("primes count:")]
    assert said == ([f"headrace: {line}"] if line else [])


def test_a_full_device_gets_one_line_and_its_exit_code(shell: Shell) -> None:
    with Path("/dev/full").open("wb") as full:
        process = shell.start("run", "primes", "find", "0", "9", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "headrace: standard output cannot be written: No space left on device\n" in err
    assert "Exception ignored" not in err


def test_where_the_result_cannot_be_written_no_work_is_begun(shell: Shell) -> None:
    (shell.home / "file").touch()
    for place, problem in {
        "nowhere/x": "there is no folder", "file/x": "there is no folder", "": "is no path",
    }.items():  # fmt: skip
        done = shell.run("run", "primes", "count", "0", "1e14", "-o", place)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
        assert problem in done.err


def test_a_full_disk_leaves_no_partial_file(shell: Shell, tmp_path: Path) -> None:
    def limit_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    process = shell.start(
        "run", "primes", "find", "0", "1e7", "-o", "primes.txt", preexec_fn=limit_files
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "primes.txt" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("role", ["worker", "coordinator"])
def test_a_child_that_dies_is_told_of_at_once_and_the_other_one_goes(
    shell: Shell, role: str
) -> None:
    process = shell.start("run", "primes", "count", "0", "1e14")
    parent = psutil.Process(process.pid)

    def find_both() -> list[psutil.Process]:
        both = [child for child in parent.children() if "headrace.child" in child.cmdline()]
        # With slots, of which some results are on their way, there is something to keep it waiting.
        return both if len(parent.children(recursive=True)) > len(both) == 2 else []

    wait_until(find_both)
    both = find_both()
    next(child for child in both if role in child.cmdline()).kill()
    begun = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begun < DEFAULT_FAREWELL_SECONDS / 2
    assert process.returncode == 1
    assert err == f"headrace: the embedded {role} was killed (SIGKILL): run it again\n"
    assert not any(child.is_running() for child in both)
