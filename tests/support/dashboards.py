"""The Grafana dashboards, and their queries as Grafana would send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.places import REPOSITORY

FOLDER = REPOSITORY / "monitoring" / "grafana" / "dashboards"

#: What stands for a dashboard's variables: all that there is, in a window with a few scrapes.
VARIABLES = {
    "$__rate_interval": "1m",
    "$service": ".*",
    "$worker": ".*",
    "$job_state": ".*",
}


def list_dashboards() -> list[Path]:
    """The files of the dashboards."""
    return sorted(FOLDER.glob("*.json"))


def read_dashboard(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def list_panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels that show something, not the headings of rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def list_queries(dashboard: dict[str, Any]) -> list[str]:
    """The queries of all panels, with values in place of the variables."""
    found = [target["expr"] for panel in list_panels(dashboard) for target in panel["targets"]]
    for name, value in VARIABLES.items():
        found = [query.replace(name, value) for query in found]
    return found


def list_all_queries() -> list[str]:
    """The queries of all dashboards."""
    found = [query for file in list_dashboards() for query in list_queries(read_dashboard(file))]
    return list(dict.fromkeys(found))
