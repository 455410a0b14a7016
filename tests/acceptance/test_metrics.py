"""What Prometheus reads from a coordinator whose jobs have run, and what dashboards show of it."""

from __future__ import annotations

import contextlib
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import Authority
from support.commands import Site, open_site, wait_until
from support.dashboards import list_all_queries
from support.places import REPOSITORY
from support.prometheus import open_prometheus
from support.promtool import run_promtool

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("metrics")

#: The queries that the documentation shows.
DOCUMENTED = re.findall(
    r"```promql\n(.*?)```", (REPOSITORY / "docs" / "metrics.md").read_text(), re.DOTALL
)

FUNCTIONS = """
import os, time
from headrace import current_task

def halve(number):
    current_task().counter("halved").add()
    return 1 / (number - 3)

def crash(_):
    os.kill(os.getpid(), 9)

def sleep(seconds):
    time.sleep(seconds)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One at which some things have gone well and others wrong."""
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "shop.py").write_text(FUNCTIONS)
    certificate = Authority(folder).sign("coordinator")
    settings = {"HEADRACE_TLS": "on"}
    options = ("--http", "127.0.0.1:0", "--lease", "4s", "--tls-cert", str(certificate))
    with open_site(folder, *options, workers=0, settings=settings) as opened:
        assert opened.shell.run("keys", "new", "anna", "--data", opened.data).code == 0
        lose_a_worker(opened)
        add_worker(opened)
        run_jobs(opened)
        with opened.open_cluster() as cluster:
            cluster.value("one")
        yield opened


@pytest.fixture(scope="module")
def scrape(site: Site) -> str:
    """What it shows once these have run, and before a test lets more run."""
    return read_metrics(site)


def add_worker(site: Site) -> None:
    site.add_worker("--slots", "2", "--allow", "shop", "--path", str(site.data.parent))


def run_jobs(site: Site) -> None:
    """Jobs of each kind: what is done, what fails, what crashes, and what is tried again."""
    assert site.shell.run("submit", "primes", "count", "0", "1e6").code == 0
    mapped = site.shell.run("submit", "map", "shop:halve", "-", stdin="1\n2\n3\n")
    assert mapped.code == 1, "a task fails"
    crashed = site.shell.run("submit", "map", "shop:crash", "-", "--retries", "1", stdin="1\n")
    assert crashed.code == 1


def lose_a_worker(site: Site) -> None:
    add_worker(site)
    site.shell.run("submit", "map", "shop:sleep", "-", "--detach", stdin="60\n")
    wait_until(lambda: 'headrace_leased_tasks{service="calls"} 1.0' in read_metrics(site))
    site.workers.pop().kill()
    wait_until(lambda: 'headrace_workers_gone_total{how="silent"} 1.0' in read_metrics(site))
    for job in site.shell.run("jobs", "--json").json():
        site.shell.run("cancel", job["id"])


def read_metrics(site: Site) -> str:
    url = site.coordinator.wait_for("metrics at").split("metrics at ")[1]
    with urllib.request.urlopen(url, timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def test_promtool_finds_nothing_to_complain_of(scrape: str) -> None:
    for line in (
        'headrace_failed_attempts_total{operation="apply",reason="error",service="calls"} 1.0',
        'headrace_user_counts_total{name="halved",operation="apply",service="calls"} 2.0',
        'headrace_jobs_finished_total{operation="apply",service="calls",state="failed"} 2.0',
        'headrace_jobs_finished_total{operation="apply",service="calls",state="cancelled"} 1.0',
        'headrace_jobs_finished_total{operation="count",service="primes",state="succeeded"} 1.0',
        'headrace_job_seconds_count{operation="count",service="primes"} 1.0',
        "headrace_workers 1.0",
    ):
        assert line in scrape.splitlines()
    for name in (
        "headrace_worker_info",
        "process_cpu_seconds_total",
        "python_gc_collections_total",
    ):
        assert f"\n{name}{{" in scrape or f"\n{name} " in scrape
    assert run_promtool("check", "metrics", stdin=scrape) == ""


def test_every_query_of_the_dashboards_shows_something(site: Site, tmp_path: Path) -> None:
    assert DOCUMENTED
    url = site.coordinator.wait_for("metrics at").split("metrics at ")[1]
    with open_prometheus(tmp_path, url.removeprefix("http://").partition("/")[0]) as prometheus:
        empty = [*list_all_queries(), *DOCUMENTED]
        wait_until(lambda: prometheus.query("rate(headrace_sent_bytes_total[1m])"))

        def are_filled() -> bool:
            empty[:] = [query for query in empty if not prometheus.query(query)]
            return not empty

        try:
            wait_until(are_filled, seconds=20)
        except AssertionError:
            pytest.fail("nothing comes of\n" + "\n".join(empty))


def test_more_jobs_and_looks_at_the_page_make_no_more_series(site: Site, scrape: str) -> None:
    run_jobs(site)
    url = site.coordinator.wait_for("metrics at").split("metrics at ")[1].removesuffix("/metrics")
    for path in ("/login", "/jobs/x", "/api/v1/jobs/x/results", "/api/v1/stream", "/static/x/y"):
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(url + path, timeout=60).close()
    assert name_series(read_metrics(site)) == name_series(scrape)


def name_series(scrape: str) -> set[str]:
    """The names of all series, with their labels."""
    return set(re.findall(r"^(\w+(?:\{.*\})?) ", scrape, re.MULTILINE))
