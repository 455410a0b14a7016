from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

Promtool = Callable[..., str]


def test_prometheus_takes_its_configuration(promtool: Promtool, monitoring: Path) -> None:
    said = promtool("check", "config", monitoring / "prometheus/prometheus.yml")
    assert "1 rule files found" in said


def test_alerts_fire_when_they_should_and_only_then(promtool: Promtool) -> None:
    promtool("test", "rules", Path(__file__).with_name("alerts_test.yml"))


def test_every_alert_is_tested(monitoring: Path) -> None:
    rules = (monitoring / "prometheus/alerts.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", rules)
    tests = Path(__file__).with_name("alerts_test.yml").read_text()
    assert alerts
    assert [alert for alert in alerts if alert not in tests] == []


def test_alerts_use_metrics_that_are_served(monitoring: Path, series_names: set[str]) -> None:
    rules = (monitoring / "prometheus/alerts.yml").read_text()
    used = set(re.findall(r"\bheadrace_\w+", rules))
    assert len(used) >= 6
    assert used - series_names == set()
