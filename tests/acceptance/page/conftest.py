"""One browser and one cluster for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from support.commands import Site, open_site
from support.page_browser import PATIENCE_MS, open_browser
from support.page_site import FUNCTIONS, HOSTILE, submit_map

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "steps.py").write_text(FUNCTIONS.format(folder=str(folder)))
    (folder / "numbers.jsonl").write_text("0\n1\n2\n3\n")
    settings = {"PYTHONPATH": str(folder)}
    options = ("--http", "127.0.0.1:0", "--lease", "2s")
    with open_site(folder, *options, workers=0, settings=settings) as opened:
        opened.add_worker("--slots", "2", "--name", "steady", "--allow", "steps")
        yield opened


@pytest.fixture(scope="package")
def failed_job(site: Site) -> str:
    """A job of whose name and tasks nothing went well."""
    job = submit_map(site, "fail", HOSTILE)
    site.shell.run("wait", job)
    return job
