"""Programs and commands that are started in a folder that is removed meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.commands import COMMAND_SECONDS, HEADRACE, Finished, Site, open_site

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("removed-folder")

PROGRAM = """
import sys
from headrace import Cluster, Executor, Pool
def square(x): return x * x
if __name__ == "__main__":
    where = sys.argv[1:]
    with Pool(*where or [1]) as pool:
        print(pool.map(abs if where else square, [-2, -3]))
    with Executor(*where or [1]) as executor:
        print(list(executor.map(abs if where else lambda x: x * x, [-4])))
    if where:
        with Cluster(*where) as cluster:
            print(len(cluster.workers()))
"""

ON_THE_COMMAND_LINE = """
from headrace import Pool
with Pool(1) as pool:
    print(pool.map(lambda x: x * x, [-2, -3]))
"""

Run = Callable[..., Finished]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("site"), workers=0) as opened:
        opened.add_worker("--slots", "1", "--allow", "builtins")
        yield opened


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command in a folder that is removed before it begins."""

    def run_there(*words: str | Path, **settings: str) -> Finished:
        (tmp_path / "gone").mkdir()
        kept = {name: value for name, value in os.environ.items() if name[:8] != "HEADRACE"}
        done = subprocess.run(
            ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *map(str, words)],
            check=False, capture_output=True, text=True, cwd=tmp_path / "gone",
            stdin=subprocess.DEVNULL, env={**kept, **settings}, timeout=COMMAND_SECONDS,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Finished(done.returncode, done.stdout, done.stderr)

    return run_there


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path / "program.py"


def test_a_pool_on_this_machine_works(run: Run, program: Path) -> None:
    done = run(sys.executable, program)
    assert (done.out, done.err) == ("[4, 9]\n[16]\n", "")
    assert run(sys.executable, "-c", ON_THE_COMMAND_LINE).out == "[4, 9]\n"


def test_a_pool_on_a_cluster_works(run: Run, program: Path, site: Site) -> None:
    done = run(sys.executable, program, site.address, **site.shell.environment)
    assert (done.out, done.err) == ("[2, 3]\n[4]\n1\n", "")


def test_the_records_of_a_file_are_mapped(run: Run, tmp_path: Path, site: Site) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text("[1]\n[1, 2]\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "shop.py").write_text("count = len\n")
    values = '{"index": 0, "value": 1}\n{"index": 1, "value": 2}\n'
    assert (
        run(HEADRACE, "run", "map", "--path", tmp_path / "code", "shop:count", records).out
        == values
    )
    words = ("submit", "map", "builtins:len", records, "-o", tmp_path / "out")
    assert run(HEADRACE, *words, **site.shell.environment).code == 0
    assert (tmp_path / "out").read_text() == values


@pytest.mark.parametrize(
    "words",
    [
        ("run", "map", "builtins:len", "x.jsonl"), ("run", "primes", "find", "0", "9", "-o", "x"),
        ("run", "images", "blur", "x", "/"), ("run", "map", "builtins:len", "-", "--path", "x"),
        ("worker", "--key-file", "x"), ("coordinator", "--data", "x"), ("backup", "x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_lay_in_the_folder_is_said_to_be_gone(run: Run, words: tuple[str, ...]) -> None:
    done = run(HEADRACE, *words)
    assert (done.code, done.out) == (2, "")
    assert "cannot be found: the present folder was removed" in done.err
    assert done.err.count("\n") == 1
