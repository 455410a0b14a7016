"""A job's way as spans of one trace, through all the processes that have a tracer provider."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.commands import Site, open_site, wait_until

#: What ``opentelemetry-instrument`` puts into each process of Python's, with a file to export to.
SITE = """
import json, os, pathlib
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

class Lines(SpanExporter):
    def export(self, spans):
        with open(pathlib.Path(os.environ["SPANS"]) / str(os.getpid()), "a") as file:
            for span in spans:
                file.write(json.dumps({
                    "name": span.name,
                    "trace": span.context.trace_id,
                    "id": span.context.span_id,
                    "parent": span.parent and span.parent.span_id,
                    "about": dict(span.attributes or {}),
                    "failed": span.status.status_code is trace.StatusCode.ERROR,
                }) + "\\n")
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Lines()))
trace.set_tracer_provider(provider)
"""

SHOP = """
from opentelemetry import trace

def weigh(item):
    with trace.get_tracer("shop").start_as_current_span("scales"):
        return 10 // item
"""

PROGRAM = """
import sys
from opentelemetry import trace
from headrace import Cluster, Pool
from shop import weigh

tracer = trace.get_tracer("program")
with Cluster(sys.argv[1]) as cluster:
    with tracer.start_as_current_span("of the cluster"):
        job = cluster.map("shop:weigh", [1, 2, 0])
        job.wait()
    assert job.refresh().failed == 1
    again = cluster.map("shop:weigh", [3])
    assert list(again.results()) == [3]
with Pool(sys.argv[1]) as pool:
    with tracer.start_as_current_span("of the pool"):
        assert pool.map(weigh, [5]) == [2]
    with tracer.start_as_current_span("of an iterator"):
        assert list(pool.imap(weigh, [5])) == [2]
    for number in (1, 2):
        with tracer.start_as_current_span(f"of call {number}"):
            assert pool.apply_async(weigh, (number,)).get() == 10 // number
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    for name, text in (("sitecustomize", SITE), ("shop", SHOP), ("program", PROGRAM)):
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "spans").mkdir()
    settings = {"PYTHONPATH": str(tmp_path), "SPANS": str(tmp_path / "spans")}
    with open_site(tmp_path, workers=0, settings=settings) as opened:
        words = ("--slots", "1", "--name", "mill", "--allow", "shop", "--path", str(tmp_path))
        opened.add_worker(*words)
        yield opened


def read(folder: Path) -> list[dict[str, Any]]:
    files = (folder / "spans").iterdir()
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def find(folder: Path, name: str, whole: str) -> list[dict[str, Any]]:
    """The spans of this name in the trace of the span ``whole``."""
    spans = read(folder)
    (root,) = [span for span in spans if span["name"] == whole]
    return [one for one in spans if (one["name"], one["trace"]) == (name, root["trace"])]


def test_submit_wait_run_and_report_are_spans_of_the_callers_trace(
    site: Site, tmp_path: Path
) -> None:
    subprocess.run(
        [sys.executable, "program.py", site.address],
        check=True, cwd=tmp_path, env=site.shell.environment, timeout=60,
    )  # fmt: skip

    for whole, tasks in (("of the cluster", 3), ("of the pool", 1), ("of an iterator", 1)):
        wait_until(partial(find, tmp_path, "headrace report", whole))
        (root,) = find(tmp_path, whole, whole)
        (submitted,) = find(tmp_path, "headrace submit", whole)
        assert submitted["parent"] == root["id"]
        runs = find(tmp_path, "headrace run", whole)
        assert {run["parent"] for run in runs} == {submitted["id"]}
        assert sorted(run["about"]["headrace.task"] for run in runs) == list(range(tasks))
        jobs = {one["about"]["headrace.job"] for one in (submitted, *runs)}
        assert len(jobs) == 1
        scales = find(tmp_path, "scales", whole)
        assert {one["parent"] for one in scales} == {run["id"] for run in runs}, "a user's own"
        for report in find(tmp_path, "headrace report", whole):
            assert report["parent"] == submitted["id"]
            assert report["about"]["headrace.worker"] == "mill"
    for number in (1, 2):
        wait_until(partial(find, tmp_path, "headrace run", f"of call {number}"))
        (submitted,) = find(tmp_path, "headrace submit", f"of call {number}")
        (run,) = find(tmp_path, "headrace run", f"of call {number}")
        (inner,) = find(tmp_path, "scales", f"of call {number}")
        assert (run["parent"], inner["parent"]) == (submitted["id"], run["id"])
        assert run["about"]["headrace.job"] == submitted["about"]["headrace.job"]
    (waited,) = find(tmp_path, "headrace wait", "of the cluster")
    assert waited["parent"] == find(tmp_path, "of the cluster", "of the cluster")[0]["id"]
    spans = read(tmp_path)
    (alone,) = [one for one in spans if one["name"] == "headrace submit" and not one["parent"]]
    (waited,) = [one for one in spans if one["parent"] == alone["id"] and "wait" in one["name"]]
    runs = find(tmp_path, "headrace run", "of the cluster")
    assert [run["about"]["headrace.task"] for run in runs if run["failed"]] == [2]
