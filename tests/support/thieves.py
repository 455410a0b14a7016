"""A user's module whose functions look for a key, and others that use the machine as one may."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path

from headrace import current_cluster

#: A program with a pool of its own: slots are children of multiprocessing, which have none.
_PARENT = """
import multiprocessing
with multiprocessing.get_context("forkserver").Pool(1) as pool:
    print(pool.apply(abs, (-1,)))
"""


#: A program that reads a file.
_READER = "import sys; open(sys.argv[1]).read()"

#: What is left behind: it notes under which name it ran, and what of these it could read.
_LEFT_CODE = """
import os
for path in ({key_file!r}, "/proc/{agent}/mem"):
    try:
        with open(path, "rb"):
            how = "read"
    except OSError as error:
        how = type(error).__name__
    with open({note!r}, "a") as file:
        print(__name__, os.path.basename(path), how, file=file)
"""


def find_ways(key_file: str, agent: int, scratch: str) -> list[str]:
    """List the ways on which this process gets at a key, or into the worker's process.

    In the folder ``scratch`` it may do anything.
    """
    folder, name = os.path.split(key_file)
    relative = os.path.relpath(key_file)
    present = Path(tempfile.mkdtemp(dir=scratch))
    process = Path("/proc", str(agent))
    ways: dict[str, Callable[[], object]] = {
        "path": lambda: _read(key_file),
        "relative path": lambda: _read(relative),
        "folder": lambda: os.open(name, os.O_RDONLY, dir_fd=os.open(folder, os.O_DIRECTORY)),
        "for writing, too": lambda: os.close(os.open(key_file, os.O_RDWR)),
        "own root": lambda: _read(f"/proc/self/root{key_file}"),
        "worker's root": lambda: _read(f"{process}/root{key_file}"),
        "worker's present folder": lambda: os.listdir(process / "cwd"),  # noqa: PTH208 - names
        "worker's memory": lambda: _open(process / "mem"),
        "worker's files": lambda: [one.readlink() for one in (process / "fd").iterdir()],
        "symbolic link": lambda: _read_link(present / "link", key_file),
        "hard link": lambda: _read_hard_link(present / "hard", key_file),
        "another process": lambda: _run("cat", key_file),
        "another Python": lambda: _run(sys.executable, "-c", _READER, key_file),
        "another thread": lambda: _read_in_thread(key_file),
        "a mount of its own": lambda: _run(
            *("unshare", "--user", "--map-root-user", "--mount"),
            *("mount", "--bind", folder, str(present)),
        ),
    }
    if os.geteuid():  # root may measure any process
        ways["worker's variables"] = lambda: _read(str(process / "environ"))
        ways["worker's maps"] = lambda: _read(str(process / "maps"))
    ways["rename"] = lambda: _read(str(Path(key_file).rename(present / "moved")))
    return [way for way, go in ways.items() if _succeeds(go)]


def look_into_slots() -> tuple[int, list[str]]:
    """How many other slots there are beside this one, and on which ways it looks into them."""
    numbers = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdecimal()]
    beside = [
        number
        for number in numbers
        if number != os.getpid() and _find_parent(number) == os.getppid()
    ]
    ways = [way for number in beside for way in _look_into(Path("/proc", str(number)))]
    return len(beside), ways


def _look_into(process: Path) -> list[str]:
    ways: dict[str, Callable[[], object]] = {
        "memory": lambda: _open(process / "mem"),
        "files": lambda: [one.readlink() for one in (process / "fd").iterdir()],
        "root": lambda: os.listdir(process / "root"),  # noqa: PTH208 - names
        "present folder": lambda: os.listdir(process / "cwd"),  # noqa: PTH208 - names
    }
    return [way for way, go in ways.items() if _succeeds(go)]


def _find_parent(number: int) -> int:
    try:
        return int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has ended
        return 0


def can_read(path: str) -> bool:
    """Whether this process can read a file."""
    return _succeeds(lambda: _read(path))


def gives_up_privileges() -> bool:
    """Whether programs with set-user-ID give this process no more rights (proc(5))."""
    return "NoNewPrivs:\t1\n" in Path("/proc/self/status").read_text()


def find_harm(key_file: str, scratch: str) -> list[str]:
    """List the ways on which this process changes or removes a key file, or its folder."""
    key = Path(key_file)
    folder = key.parent
    ways: dict[str, Callable[[], object]] = {
        "write": lambda: os.close(os.open(key, os.O_WRONLY)),
        "shorten": lambda: os.truncate(key, 1),
        "shorten as it is opened": lambda: os.close(os.open(key, os.O_RDONLY | os.O_TRUNC)),
        "another name": lambda: os.link(key, folder / "key-2"),
        "move": lambda: key.rename(folder / "key-3"),
        "a file beside it": lambda: os.mknod(folder / "new"),
        "another file over it": lambda: _make(scratch).rename(key),
        "a link beside it": lambda: (folder / "link").symlink_to("new"),
        "a folder beside it": (folder / "inner").mkdir,
        "a pipe beside it": lambda: os.mkfifo(folder / "pipe"),
        "remove": key.unlink,
        "move its folder": lambda: folder.rename(f"{folder}-2"),
        "remove its folder": folder.rmdir,
    }
    return [way for way, go in ways.items() if _succeeds(go)]


def leave_code(places: list[str], key_file: str, agent: int, note: str) -> None:
    """Leave code in folders that Python looks into when it starts, which notes what it can read."""
    for number, place in enumerate(places):
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        code = _LEFT_CODE.format(key_file=key_file, agent=agent, note=note)
        for name in ("sitecustomize", "usercustomize", f"left_behind_{number}"):
            (folder / f"{name}.py").write_text(code)
        (folder / f"{number}.pth").write_text(f"import left_behind_{number}\n")


def kill_slot() -> None:
    """Kill this slot, and the fork server where there is one."""
    parent = os.getppid()
    if parent != tell_worker():
        os.kill(parent, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def list_own(_: object) -> list[str]:
    """List the names and values of this process's variables that have to do with a key."""
    block = Path("/proc/self/environ").read_bytes().decode().split("\0")
    now = [f"{name}={value}" for name, value in os.environ.items()]
    return [one for one in (*block, *now) if one.startswith("HEADRACE_KEY")]


def tell_worker() -> int:
    """The process number of this slot's worker."""
    parent = multiprocessing.parent_process()
    assert parent
    assert parent.pid
    return parent.pid


_kept: list[str] = []


def keep(text: str) -> None:
    """Keep a text in this slot."""
    _kept.append(text)


def measure_kept() -> int:
    """How long what is kept is."""
    return sum(map(len, _kept))


def share(name: str) -> int:
    """Use a list of the cluster's; returns how long it has become."""
    shared = current_cluster().list(name)
    shared.append(1)
    return len(shared)


def use_machine(*folders: str) -> list[str]:
    """Do what tasks do, and make files in these folders; returns what was done."""
    done: list[str] = []
    for place in folders:
        with tempfile.TemporaryDirectory(dir=place) as made:
            first = Path(made, "first")
            first.write_text("text")
            first.rename(Path(made, "second"))
            inner = Path(made, "inner")
            inner.mkdir()
            Path(made, "second").rename(inner / "third")
            os.link(inner / "third", Path(made, "fourth"))
            done.append(Path(made, "fourth").read_text())
    done.append(importlib.import_module("wave").__name__)
    shown = subprocess.run(["cat", "/etc/hostname"], check=False, capture_output=True)
    done.append(f"cat {shown.returncode}")
    shown = subprocess.run([sys.executable, "-c", _PARENT], check=True, capture_output=True)
    done.append(shown.stdout.decode().strip())
    memory = SharedMemory(create=True, size=8)
    same = SharedMemory(memory.name)
    assert memory.buf
    assert same.buf
    memory.buf[:1] = b"x"
    done.append(bytes(same.buf[:1]).decode())
    same.close()
    memory.close()
    memory.unlink()
    return done


def _succeeds(go: Callable[[], object]) -> bool:
    try:
        go()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _make(folder: str) -> Path:
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        return Path(file.name)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - as given
        return file.read(1)


def _open(path: Path) -> None:
    """Open a file of which nothing need be read: a process has no memory at its first address."""
    os.close(os.open(path, os.O_RDONLY))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def _read_link(link: Path, target: str) -> bytes:
    link.symlink_to(target)
    return _read(str(link))


def _read_hard_link(link: Path, target: str) -> bytes:
    os.link(target, link)
    return _read(str(link))


def _read_in_thread(path: str) -> None:
    found: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):
            found.append(_read(path))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    if not found:
        raise PermissionError(path)
