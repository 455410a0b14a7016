from __future__ import annotations

import re
from pathlib import Path

from support.promtool import run_promtool


def test_prometheus_takes_its_configuration(monitoring: Path) -> None:
    said = run_promtool("check", "config", monitoring / "prometheus/prometheus.yml")
    assert "1 rule files found" in said


def test_alerts_fire_when_they_should_and_only_then() -> None:
    run_promtool("test", "rules", Path(__file__).with_name("alerts_test.yml"))


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
