"""What the coordinator really serves at /metrics."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from support.coordinators import run_coordinator

#: Seconds for a scrape.
PATIENCE_SECONDS = 30

#: The folder of what is tested here.
MONITORING = Path(__file__).parents[3] / "monitoring"

#: What the series of a family are called beyond its name, by its type.
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}


@pytest.fixture(scope="session")
def monitoring() -> Path:
    return MONITORING


@pytest.fixture(scope="session")
def scrape(tmp_path_factory: pytest.TempPathFactory) -> list[Metric]:
    """The metric families of a coordinator that has just been started."""
    folder = tmp_path_factory.mktemp("coordinator")
    anywhere = Address("127.0.0.1", 0)
    settings = CoordinatorSettings(folder, folder / "key", bind=anywhere, http=anywhere)
    with run_coordinator(settings) as coordinator:
        url = f"http://{coordinator.http_bound}/metrics"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            text = answer.read().decode()
    return list(text_string_to_metric_families(text))


@pytest.fixture(scope="session")
def series_names(scrape: list[Metric]) -> set[str]:
    """Names that a query may use."""
    return {family.name + suffix for family in scrape for suffix in SUFFIXES[family.type]}
