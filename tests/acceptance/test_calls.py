"""Functions of a user's own on a worker that was told what to allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.cluster import Cluster
from headrace_services.calls import open_result, plan_map, rebuild_failure
from headrace_services.permits import RefusedError
from support.commands import Shell, Site, open_site

MODULE = """
class TooOddError(Exception):
    pass

def halve(number):
    if number % 2:
        raise TooOddError(number)
    return number // 2, "half"
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A coordinator, a worker that allows nothing, and a user's folder with a module."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "halving.py").write_text(MODULE)
    with open_site(tmp_path) as site:
        yield site


def test_a_function_runs_on_the_worker_that_allows_it(site: Site, cluster: Cluster) -> None:
    site.add_worker("--slots", "1", "--path", "code", "--allow", "halving")
    job = cluster.submit("calls", plan_map("halving:halve", [4, 3, 2]))
    values = {index: open_result("msgpack", value) for index, value in job.values(ordered=True)}
    assert values == {0: (2, "half"), 2: (1, "half")}
    (failure,) = job.failures()
    error = rebuild_failure(failure)
    assert type(error).__name__ == "TooOddError"
    assert str(error) == "3"
    assert 'code/halving.py", line 7, in halve' in str(error.__cause__)


def test_permits_are_read_from_the_environment_and_shown(site: Site, cluster: Cluster) -> None:
    site.shell.settings |= {
        "HEADRACE_ALLOW": "other halving:halve",
        "HEADRACE_PATH": "code",
        "HEADRACE_ALLOW_PICKLE": "1",
    }
    site.add_worker("--slots", "1", "--name", "open")
    engines = {one["name"]: one["engines"] for one in site.shell.run("workers", "--json").json()}
    assert "calls" not in engines["worker-0"]
    assert engines["open"]["calls"].endswith(", allows other, halving:halve, pickled functions")
    job = cluster.submit("calls", plan_map("halving:TooOddError", [1]))
    assert list(job.values(ordered=True)) == []
    (failure,) = job.failures()
    assert isinstance(rebuild_failure(failure), RefusedError)
    assert failure.summary == "TooOddError(1)"


def test_a_permit_that_makes_no_sense_ends_the_worker_with_one_line(shell: Shell) -> None:
    refused = shell.run("worker", "--allow", "halving.py:halve()")
    assert refused.code == 2
    assert "cannot be allowed: write 'package'" in refused.err
    missing = shell.run("worker", "--path", "nowhere")
    assert missing.code == 2
    assert "nowhere" in missing.err
