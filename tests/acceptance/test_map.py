"""``map``: a user's own function with each record of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.commands import Shell, Site, open_site

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("map")

SHOP = """
import sys
def weigh(record): return {"name": record["name"], "grams": record["count"] * 10}
def add(a, b=1): return a + b
def leave(status): sys.exit(status)
def fail(record): raise LookupError("sold out")
def measure(row): return len(row["a"])
def same(record): return record
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("map")
    (folder / "code").mkdir()
    (folder / "code" / "shop.py").write_text(SHOP)
    with open_site(folder, workers=0) as opened:
        options = ("--allow", "shop", "--path", str(folder / "code"), "--allow-ship")
        opened.add_worker("--slots", "2", *options)
        yield opened


def read(text: str) -> list[object]:
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["index"] for line in lines] == list(range(len(lines)))
    return [line["value"] for line in lines]


def test_json_lines_go_in_and_come_out_in_order(site: Site, tmp_path: Path) -> None:
    records = tmp_path / "records.jsonl"
    records.write_text("".join(f'{{"name": "n{i}", "count": {i}}}\n' for i in range(3000)))
    target = tmp_path / "out.jsonl"
    done = site.shell.run("submit", "map", "shop:weigh", records, "-o", target)
    assert (done.code, done.out) == (0, "")
    assert "3,000 values" in done.err
    values = read(target.read_text())
    assert values == [{"name": f"n{i}", "grams": 10 * i} for i in range(3000)]


def test_rows_of_csv_are_objects_with_numbers_as_numbers(site: Site, tmp_path: Path) -> None:
    records = tmp_path / "records.csv"
    records.write_text('name,count\n"Tea, green",3\n007,-1.5e1\n')
    done = site.shell.run("submit", "map", "shop:weigh", records)
    assert read(done.out) == [
        {"name": "Tea, green", "grams": 30}, {"name": "007", "grams": -150.0},
    ]  # fmt: skip


def test_records_come_through_a_pipe_and_are_taken_apart(site: Site) -> None:
    lines = '[1, 2]\n\n{"a": 5}\n{"a": 5, "b": 7}\n'
    done = site.shell.run("submit", "map", "shop:add", "-", "--star", stdin=lines)
    assert read(done.out) == [3, 6, 12]


def test_whole_numbers_of_any_size_go_in_and_come_out(site: Site) -> None:
    digits = "7" * 20_000
    done = site.shell.run("submit", "map", "shop:add", "-", stdin=f"{digits}\n")
    assert (done.code, read(done.out)) == (0, [f"{digits[1:]}8"])


def test_standard_input_is_utf_8_with_or_without_a_mark(site: Site, shell: Shell) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    there = replace(site.shell, settings={**site.shell.settings, **plain})
    done = there.run("submit", "map", "shop:same", "-", stdin='\ufeff"\u00e9"\n')
    assert (done.code, read(done.out)) == (0, ["\u00e9"])
    bad = shell.home / "bad"
    bad.write_bytes(b'"\xff"\n')
    for words in (("map", "shop:same", "-"), ("primes", "test", "-")):
        with bad.open("rb") as file:
            process = shell.start("run", *words, stdin=file)
            out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, "")
        assert err == "headrace: standard input is not UTF-8: invalid start byte\n"


def test_rows_of_csv_may_be_blank_and_their_cells_long(site: Site, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f"a,b\n\nx,1\n{'x' * 200_000},2\n\n")
    done = site.shell.run("submit", "map", "shop:measure", rows)
    assert (done.code, read(done.out)) == (0, [1, 200_000])


def test_the_present_folder_is_enough_to_run_it_here(shell: Shell) -> None:
    (shell.home / "shop.py").write_text(SHOP)
    done = shell.run("run", "map", "shop:add", "-", "--star", stdin="[1]\n")
    assert (done.code, read(done.out)) == (0, [2])


def test_what_fails_is_named_as_a_call_and_kept_as_dead(site: Site) -> None:
    done = site.shell.run("submit", "map", "shop:fail", "-", stdin='{"name": "tea"}\n')
    assert (done.code, done.out) == (1, "")
    assert "failed: fail({'name': 'tea'}): LookupError: sold out\n" in done.err
    job = site.shell.run("jobs", "--json").json()[0]["id"]
    listed = site.shell.run("dead", "list", job, "--traceback").out
    assert "LookupError: sold out" in listed
    assert "headrace_services" not in listed, "the traceback is the user's own"


def test_that_results_are_kept_is_said_once_where_some_failed_and_none_could_be_written(
    site: Site,
) -> None:
    done = site.shell.run("submit", "map", "shop:add", "-", "-o", "/dev/full", stdin='1\n"a"\n')
    assert done.code == 1
    assert done.err.count(" kept") == 1
    told = [line.split(":")[0] for line in done.err.splitlines()]
    assert told == ["headrace", "failed", "headrace", "headrace"]
    assert done.err.splitlines()[-1].startswith("headrace: cannot write /dev/full: No space left")


def test_a_function_that_calls_sys_exit_is_told_of_in_the_same_words_everywhere(
    site: Site,
) -> None:
    what = "leave(0): SystemExit: 0 (sys.exit was called)\n"
    done = site.shell.run("submit", "map", "shop:leave", "-", stdin="0\n")
    assert done.code == 1
    assert f"failed: {what}" in done.err
    job = site.shell.run("jobs", "--json").json()[0]["id"]
    assert what in site.shell.run("job", job).out
    assert what in site.shell.run("dead", "list", job).out
    here = site.shell.run(
        "run", "map", "shop:leave", "-", "--path", site.shell.home / "code", stdin="0\n"
    )
    assert f"failed: {what}" in here.err


@pytest.mark.parametrize(
    ("words", "stdin", "line"),
    [
        (["shop:add", "-"], "[1\n", "standard input, line 1: not JSON"),
        (["shop:add", "-"], "[" * 100_000 + "\n", "standard input, line 1: nested too deep"),
        (["shop:add", "-", "--star"], "1\n", "record 1: --star takes arrays and objects, not 1"),
        (["shop.add", "-"], "1\n", "'shop.add' is not of the form 'module:name'"),
        (["__main__:add", "-"], "1\n", "workers cannot import __main__"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_no_job(
    site: Site, words: list[str], stdin: str, line: str
) -> None:
    with site.open_cluster() as cluster:
        before = cluster.jobs()
        done = site.shell.run("submit", "map", *words, stdin=stdin)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert line in done.err
        assert cluster.jobs() == before


def test_a_function_that_is_not_allowed_is_refused_with_the_remedy(site: Site) -> None:
    done = site.shell.run("submit", "map", "subprocess:getoutput", "-", stdin='"id"\n')
    assert done.code == 1
    assert "not allowed on this worker: start it with --allow" in done.err


def test_code_travels_with_its_job_alone(site: Site, tmp_path: Path) -> None:
    for name, factor in (("one", 1), ("two", 2)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "shop.py").write_text(
            "from helper import FACTOR\ndef add(a): return a * FACTOR\n"
        )
        (folder / "helper.py").write_text(f"FACTOR = {factor * 100}\n")
    for name, expected in (("one", 300), ("two", 600), ("one", 300)):
        words = ["submit", "map", "shop:add", "-", "--ship", str(tmp_path / name)]
        done = site.shell.run(*words, stdin="3\n" * 8)
        assert read(done.out) == [expected] * 8
    assert read(site.shell.run("submit", "map", "shop:add", "-", stdin="3\n").out) == [4]


def test_a_call_goes_to_a_worker_that_allows_it(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "shop.py").write_text(SHOP)
    with open_site(tmp_path, workers=0) as site:
        site.add_worker("--slots", "2", "--name", "other", "--allow", "statistics")
        site.add_worker("--slots", "1", "--allow", "shop", "--path", str(code))
        lines = "".join(f"[{number}, 1]\n" for number in range(300))
        done = site.shell.run("submit", "map", "shop:add", "-", "--star", stdin=lines)
        assert done.code == 0, done.err
        assert read(done.out) == list(range(1, 301))
        assert read(site.shell.run("submit", "map", "statistics:mean", "-", stdin="[4]\n").out) == [
            4
        ]
