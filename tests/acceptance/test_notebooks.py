"""The page about notebooks, cell by cell, in a kernel of Jupyter's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from support.commands import Site, open_site
from support.places import REPOSITORY

PAGE = (REPOSITORY / "docs" / "notebooks.md").read_text()

#: It has no types.
FORMAT: Any = nbformat.v4

#: Seconds for one cell.
CELL_SECONDS = 60


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path, workers=0) as opened:
        opened.add_worker("--slots", "1", "--name", "mill")
        yield opened


def run_page(site: Site) -> list[list[dict[str, Any]]]:
    """What each cell of the page shows; the first one says where the cluster is."""
    place = f"ADDRESS = {site.address!r}\nKEY_FILE = {str(site.data / 'key')!r}"
    cells = [place, *re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
    notebook = FORMAT.new_notebook(cells=[FORMAT.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=CELL_SECONDS, kernel_name="python3")
    client.execute(env=site.shell.environment)
    return [cell.outputs for cell in notebook.cells[1:]]


def read_text(outputs: list[dict[str, Any]], name: str) -> str:
    return "".join(one["text"] for one in outputs if one.get("name") == name)


def test_the_cells_of_the_page_show_bars_and_tables(site: Site) -> None:
    pool, job, shown_job, shown_cluster, shown_worker = run_page(site)
    assert read_text(pool, "stdout") == "200 results\n"
    assert "200/200" in read_text(pool, "stderr")
    assert read_text(job, "stdout") == "5761455 primes\n"
    assert re.search(r"100%.* (\d+)/\1 ", read_text(job, "stderr"))
    for outputs, words in (
        (shown_job, ("<strong>job ", "succeeded", "primes count", "100 %")),
        (shown_cluster, (f"cluster at {site.address}", "1 worker", "mill", "1 succeeded")),
        (shown_worker, ("<strong>worker mill", " of 1 busy")),
    ):
        (only,) = outputs
        html = only["data"]["text/html"]
        assert all(word in html for word in words), html
        assert "text/plain" in only["data"]
