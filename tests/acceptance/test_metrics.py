"""What Prometheus reads from a coordinator whose jobs have run."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from support.commands import Site, open_site
from support.promtool import run_promtool

FUNCTIONS = """
from headrace import current_task

def halve(number):
    current_task().counter("halved").add()
    return 1 / (number - 3)
"""


@pytest.fixture
def scrape(tmp_path: Path) -> str:
    (tmp_path / "shop.py").write_text(FUNCTIONS)
    with open_site(tmp_path, "--http", "127.0.0.1:0", workers=0) as site:
        site.add_worker("--slots", "2", "--allow", "shop", "--path", str(tmp_path))
        assert site.shell.run("submit", "primes", "count", "0", "1e6").code == 0
        mapped = site.shell.run("submit", "map", "shop:halve", "-", stdin="1\n2\n3\n")
        assert mapped.code == 1, "a task fails"
        return read_metrics(site)


def read_metrics(site: Site) -> str:
    url = site.coordinator.wait_for("metrics at").split("metrics at ")[1]
    with urllib.request.urlopen(url, timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def test_promtool_finds_nothing_to_complain_of(scrape: str) -> None:
    for line in (
        'headrace_failed_attempts_total{operation="apply",reason="error",service="calls"} 1.0',
        'headrace_user_counts_total{name="halved",operation="apply",service="calls"} 2.0',
        'headrace_task_seconds_count{operation="apply",service="calls"} 2.0',
        "headrace_workers 1.0",
    ):
        assert line in scrape.splitlines()
    assert run_promtool("check", "metrics", stdin=scrape) == ""
