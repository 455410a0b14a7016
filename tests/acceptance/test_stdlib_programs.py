"""Programs of the standard library's documentation print the same with one changed line."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import Site, open_site
from support.places import REPOSITORY

# They share a site, and what the originals print: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("stdlib_programs")

PROGRAMS = REPOSITORY / "tests" / "support" / "programs"

#: Seconds that a program has.
PROGRAM_SECONDS = 60

#: The line that is changed, and what it becomes.
CHANGES = {
    r"from multiprocessing import Pool": "from headrace import Pool",
    r"from concurrent\.futures import (\w+Executor)": r"from headrace import Executor as \1",
}

#: The same for a cluster that opens pickled functions: for those in the program itself.
PICKLED = {
    r"from multiprocessing import Pool": (
        "import functools, headrace; "
        "Pool = functools.partial(headrace.Pool, serializer='cloudpickle')"
    ),
    r"from concurrent\.futures import (\w+Executor)": (
        "import functools, headrace; "
        r"\1 = functools.partial(headrace.Executor, serializer='cloudpickle')"
    ),
}

#: What the workers let be called by name, beside ``deeds``.
ALLOWED = (
    "deeds",
    "deeds_large",
    "builtins:pow",
    "builtins:int",
    "io:open",
    "_io:open",
    "time:sleep",
    "shutil:copy",
)

#: Programs whose functions are in modules that workers can import.
BY_NAME = (
    "futures_calls_and_waits",
    "futures_copy",
    "futures_left",
    "pool_callbacks",
    "pool_calls",
    "pool_end",
    "pool_initializer",
)

#: Programs with functions of their own.
BY_PICKLE = (
    "futures_asyncio",
    "futures_pages",
    "futures_primes",
    "pool_demo",
    "pool_introduction",
    "pool_workers",
)

#: Programs about what only one's own processes do.
HERE_ALONE = ("pool_maxtasks",)


def change(source: str, changes: dict[str, str]) -> str:
    """Change the one line."""
    for old, new in changes.items():
        source, times = re.subn(f"^{old}$", new, source, flags=re.MULTILINE)
        if times:
            assert times == 1
            return source
    raise AssertionError("nothing to change")


@functools.cache
def run_original(name: str) -> str:
    """What a program prints as it stands."""
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), name)


def run(
    folder: Path, name: str, changes: dict[str, str] | None = None, site: Site | None = None
) -> str:
    """Run a program, as it is or with one line changed. Returns what it prints."""
    shutil.copy(PROGRAMS / "deeds.py", folder)
    source = (PROGRAMS / f"{name}.py").read_text()
    program = folder / f"{name}.py"
    program.write_text(change(source, changes) if changes else source)
    kept = {one: value for one, value in os.environ.items() if not one.startswith("HEADRACE")}
    key = {"HEADRACE_KEY_FILE": str(site.data / "key")} if site else {}
    done = subprocess.run(
        [sys.executable, program, *([site.address] if site else [])],
        check=False, capture_output=True, text=True, timeout=PROGRAM_SECONDS,
        env={**kept, **key, "HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return settle(done.stdout)


def settle(text: str) -> str:
    """Leave out what is different each time: who said it, how many dots, which came first."""
    text = re.sub(r"\S+ says that", "says that", text)
    text = re.sub(r"(?<![\w,])\.+$|(?<=\d)\.+$", "", text, flags=re.MULTILINE)
    lines = text.splitlines()
    unordered = iter(sorted(line for line in lines if line.startswith("\t*")))
    return "\n".join(next(unordered) if line.startswith("\t*") else line for line in lines)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A coordinator and two workers that let the programs' functions be called."""
    allowed = [word for name in ALLOWED for word in ("--allow", name)]
    with open_site(tmp_path_factory.mktemp("site"), workers=0) as opened:
        for number in range(2):
            opened.add_worker(
                "--slots", "2", "--name", f"worker-{number}", "--path", str(PROGRAMS),
                "--allow-pickle", *allowed,
            )  # fmt: skip
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "programs").mkdir()
    return tmp_path / "programs"


@pytest.mark.parametrize("name", [*BY_NAME, *BY_PICKLE, *HERE_ALONE])
def test_a_program_prints_the_same_on_this_machine(folder: Path, name: str) -> None:
    assert run(folder, name, CHANGES) == run_original(name) != ""


@pytest.mark.parametrize("name", BY_NAME)
def test_a_program_prints_the_same_on_a_cluster(folder: Path, site: Site, name: str) -> None:
    assert run(folder, name, CHANGES, site) == run_original(name)


@pytest.mark.parametrize("place", ["here", "cluster"])
def test_calls_that_wait_can_be_cancelled(folder: Path, site: Site, place: str) -> None:
    where = site if place == "cluster" else None
    assert run(folder, "futures_waiting", CHANGES, where) == run_original("futures_waiting")


@pytest.mark.parametrize("name", BY_PICKLE)
def test_a_program_prints_the_same_on_a_cluster_that_opens_pickles(
    folder: Path, site: Site, name: str
) -> None:
    assert run(folder, name, PICKLED, site) == run_original(name)


def test_a_function_without_a_name_runs_where_pickle_fails(folder: Path, site: Site) -> None:
    assert "not with pickle" in run_original("pool_lambda")
    assert run(folder, "pool_lambda", CHANGES) == "[7, 8, 11, 16]"
    assert run(folder, "pool_lambda", PICKLED, site) == "[7, 8, 11, 16]"


def test_what_is_said_to_be_different_is(folder: Path) -> None:
    assert run(folder, "differences") == "as documented"


def test_calls_mean_what_they_say(folder: Path) -> None:
    assert run(folder, "calls_meaning") == "done"


def test_what_all_calls_have_in_common_may_be_large(folder: Path, site: Site) -> None:
    shutil.copy(PROGRAMS / "deeds_large.py", folder)
    assert run(folder, "calls_large") == "done"
    assert run(folder, "calls_large", None, site) == "done"
