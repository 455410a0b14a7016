from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.places import REPOSITORY
from support.promtool import run_promtool

TESTS = Path(__file__).with_name("alerts_test.yml")


@pytest.fixture
def rules(monitoring: Path) -> str:
    return (monitoring / "prometheus/alerts.yml").read_text()


@pytest.fixture
def alerts(rules: str) -> dict[str, str]:
    """The text of each alert by its name."""
    parts = re.split(r"- alert: (\w+)\n", rules)[1:]
    found = dict(zip(parts[::2], parts[1::2], strict=True))
    assert len(found) == len(parts) // 2, "two have one name"
    return found


def test_prometheus_takes_its_configuration(monitoring: Path) -> None:
    said = run_promtool("check", "config", monitoring / "prometheus/prometheus.yml")
    assert "1 rule files found" in said


def test_alerts_fire_when_they_should_and_only_then() -> None:
    run_promtool("test", "rules", TESTS)


def test_every_alert_is_seen_to_fire_and_to_be_over(alerts: dict[str, str]) -> None:
    tests = TESTS.read_text()
    for name in alerts:
        assert f"runbook_url: docs/runbook.md#{name.lower()}" in tests, f"{name} never fires"
        assert f"{{alertname: {name}, eval_time:" in tests, f"{name} always fires"


def test_every_alert_waits_lasts_and_leads_to_its_section_of_the_runbook(
    alerts: dict[str, str],
) -> None:
    sections = re.findall(r"^## (\w+)$", (REPOSITORY / "docs/runbook.md").read_text(), re.MULTILINE)
    for name, text in alerts.items():
        for wanted in (r"for: \d+[mh]", r"keep_firing_for: \d+[mh]", "summary:", "description:"):
            assert re.search(rf"^ +{wanted}", text, re.MULTILINE), f"{name} lacks {wanted}"
        assert f"runbook_url: docs/runbook.md#{name.lower()}\n" in text
        assert name in sections
    assert [one for one in sections if one.startswith("Headrace") and one not in alerts] == []


def test_alerts_use_metrics_that_are_served(rules: str, series_names: set[str]) -> None:
    used = set(re.findall(r"\bheadrace_\w+", rules))
    assert len(used) >= 6
    assert used - series_names == set()
