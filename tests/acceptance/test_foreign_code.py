"""What lies in the present folder or beside a program never takes the place of a module of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

from support.commands import HEADRACE

#: Seconds that a program has.
PROGRAM_SECONDS = 60

#: What is tried beside Python's own modules.
OTHERS = ("click", "msgpack", "cloudpickle", "headrace", "headrace_worker", "headrace_services")

PROGRAM = """
import datetime, sys, zoneinfo
from headrace import Pool
STATE = {}
def init(value): STATE["v"] = value
def f(x): return x, STATE["v"]
def fail(x): raise ValueError(x)
def flags(): return sys.flags.optimize, sys.flags.dev_mode, __debug__, list(sys.warnoptions)
if __name__ == "__main__":
    factor = 2
    with Pool(1, init, (1,)) as pool:
        print(pool.map(f, [1]), pool.map(lambda x: (x * factor, STATE["v"]), [2]))
        print(pool.apply(lambda: datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC"))))
        try:
            pool.apply(fail, (3,))
        except ValueError as error:
            print(repr(error), error.__cause__ is not None)
        print(pool.apply(flags))
    print("modules", *sys.modules)
"""

SAID = """[(1, 1)] [(4, 1)]
2020-01-01 00:00:00+00:00
ValueError(3) True
(0, False, True, [])
"""


def lay_out(folder: Path, names: Iterable[str]) -> None:
    """Put modules of these names in a folder, each of which says that it was run."""
    folder.mkdir(exist_ok=True)
    for name in names:
        text = f"open({str(folder / 'RAN')!r}, 'a').write({name!r} + '\\n')\nraise SystemExit(9)\n"
        (folder / f"{name}.py").write_text(text)


def run(here: Path, *words: str | Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE")}
    done = subprocess.run(
        [*map(str, words)], check=False, capture_output=True, text=True, cwd=here,
        timeout=PROGRAM_SECONDS, env={**kept, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    code = tmp_path / "code"
    code.mkdir()
    (code / "prog.py").write_text(PROGRAM)
    return code / "prog.py"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    lay_out(folder, [*sorted(sys.stdlib_module_names - {"antigravity"}), *OTHERS])
    return folder


def test_nothing_of_the_present_folder_is_run(program: Path, pictures: Path) -> None:
    assert run(pictures, HEADRACE, "run", "primes", "count", "0", "100").strip() == "25"
    assert run(pictures, sys.executable, program).startswith(SAID)
    assert not (pictures / "RAN").exists()


def test_modules_beside_a_program_do_not_take_the_place_of_ours(program: Path) -> None:
    said = run(program.parent, sys.executable, program)
    used = set(said.partition("modules ")[2].split())
    # Of those that are not there the program itself asks for some, and goes on without.
    there = {name for name in sys.stdlib_module_names if find_spec(name)}
    lay_out(program.parent, there - used - {"antigravity"} | {"click"})
    assert run(program.parent, sys.executable, program).startswith(SAID)
    assert not (program.parent / "RAN").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-O"], "(1, False, False, [])"),
        (["-W", "ignore::UserWarning"], "(0, False, True, ['ignore::UserWarning'])"),
        (["-X", "dev"], "(0, True, True, ['default'])"),
        (["-I"], "(0, False, True, [])"),
        (["-E", "-s", "-B"], "(0, False, True, [])"),
    ],
    ids=str,
)
def test_the_flags_of_the_interpreter_hold_in_slots(
    program: Path, flags: list[str], said: str
) -> None:
    assert said in run(program.parent, sys.executable, *flags, program)
