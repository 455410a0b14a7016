from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.promtool import run_promtool

#: The name of a metric of ours, or of any process.
METRIC = r"\b(?:headrace|process)_\w+"


@pytest.fixture
def dashboard(monitoring: Path) -> dict[str, Any]:
    text = (monitoring / "grafana/dashboards/headrace.json").read_text()
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.fixture
def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_every_query_is_promql(queries: list[str], tmp_path: Path) -> None:
    rules = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(queries)]
    file = tmp_path / "queries.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(queries)} rules found" in run_promtool("check", "rules", file)


def test_queries_use_metrics_that_are_served(queries: list[str], series_names: set[str]) -> None:
    used = {name for query in queries for name in re.findall(METRIC, query)}
    assert used - series_names == set()


def test_every_metric_has_its_place_on_the_dashboard(
    queries: list[str], series_names: set[str]
) -> None:
    used = " ".join(queries)
    families = {re.sub(r"_(bucket|count|sum|total)$", "", name) for name in series_names}
    families = {name for name in families if name.startswith("headrace_")}
    assert {name for name in families if name not in used} == set()


def test_recorded_series_exist(monitoring: Path, queries: list[str]) -> None:
    rules = (monitoring / "prometheus/alerts.yml").read_text()
    recorded = set(re.findall(r"record: (\S+)", rules))
    used = {name for query in queries for name in re.findall(r"\bheadrace:[\w:]+", query)}
    assert used
    assert used <= recorded


def test_every_panel_asks_the_provisioned_source(
    monitoring: Path, dashboard: dict[str, Any]
) -> None:
    source = (monitoring / "grafana/provisioning/datasources/prometheus.yml").read_text()
    [uid] = re.findall(r"uid: (\S+)", source)
    asked = [panel["datasource"] for panel in dashboard["panels"]]
    asked += [target["datasource"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert {one["uid"] for one in asked} == {uid}


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
