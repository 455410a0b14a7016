from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.dashboards import (
    list_all_queries,
    list_dashboards,
    list_panels,
    list_queries,
    read_dashboard,
)
from support.promtool import run_promtool

#: The name of a metric of ours, or of any process.
METRIC = r"\b(?:headrace|process|python)_\w+"

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.fixture(params=list_dashboards(), ids=lambda file: file.stem)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read_dashboard(request.param)


def test_there_is_one_of_the_cluster_and_one_of_services_and_workers() -> None:
    names = [file.stem for file in list_dashboards()]
    assert names == ["headrace", "services-and-workers"]
    assert len({read_dashboard(file)["uid"] for file in list_dashboards()}) == len(names)


def test_every_query_is_promql(tmp_path: Path) -> None:
    queries = list_all_queries()
    rules = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(queries)]
    file = tmp_path / "queries.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(queries)} rules found" in run_promtool("check", "rules", file)


def test_queries_use_metrics_that_are_served(series_names: set[str]) -> None:
    used = {name for query in list_all_queries() for name in re.findall(METRIC, query)}
    assert used - series_names == set()


def test_every_metric_has_its_place_on_a_dashboard(series_names: set[str]) -> None:
    used = " ".join(list_all_queries())
    families = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in series_names}
    families = {name for name in families if name.startswith("headrace_")}
    assert {name for name in families if name not in used} == set()


def test_a_dashboard_can_be_imported_anywhere(dashboard: dict[str, Any]) -> None:
    """Each query asks the data source that is chosen, and uses what any Prometheus has."""
    variables = {one["name"]: one for one in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    asked = [panel["datasource"] for panel in list_panels(dashboard)]
    asked += [
        target["datasource"] for panel in list_panels(dashboard) for target in panel["targets"]
    ]
    asked += [one["datasource"] for one in variables.values() if one["type"] == "query"]
    asked += [one["datasource"] for one in dashboard["annotations"]["list"]]
    assert all(one == DATASOURCE for one in asked)
    queries = " ".join(list_queries(dashboard))
    assert "$" not in queries, "a variable that there is not"
    assert "headrace:" not in queries, "a rule of ours records it"
    assert 'job="' not in queries, "a job may be called otherwise"


def test_every_variable_decides_what_is_shown(dashboard: dict[str, Any]) -> None:
    names = {one["name"] for one in dashboard["templating"]["list"]}
    assert names == {"datasource", "service", "worker", "job_state"}
    shown = " ".join(
        target["expr"] for panel in list_panels(dashboard) for target in panel["targets"]
    )
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            assert f"${variable['name']}" in shown


def test_every_panel_says_what_it_shows_and_in_which_unit(dashboard: dict[str, Any]) -> None:
    for panel in list_panels(dashboard):
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]


def test_panels_have_numbers_of_their_own_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: list[tuple[int, int]] = []
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells += [
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        ]
    assert len(cells) == len(set(cells))
