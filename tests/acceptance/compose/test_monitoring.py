"""Prometheus, dashboards and alerts of a compose project, after the jobs of the other tests."""

from __future__ import annotations

from typing import Any

from support.compose_engine import COMPOSE_MARKS
from support.compose_project import ComposeProject, poll
from support.dashboards import list_all_queries

pytestmark = COMPOSE_MARKS

#: The alert that fires once tasks have failed for good.
FAILING = "HeadraceTasksFailing"

#: Seconds within which an alert fires that has had its reason: a minute, and a look at the rules.
ALERT_SECONDS = 120.0

#: Seconds for Alertmanager to reach whom it tells: meanwhile it may have tried in vain.
DELIVERY_SECONDS = 90.0

#: Metrics that are there only after something went wrong or was counted since the coordinator was
#: started, or with a certificate of one's own.
SOMETIMES = (
    "failed_attempts", "lease_expirations", "slot_restarts", "retries", "user_counts", "certificate"
)  # fmt: skip


def test_prometheus_sees_four_workers_through_one_target(project: ComposeProject) -> None:
    project.start(4)
    names = {worker["name"] for worker in project.list_workers()}

    def read_names() -> set[str]:
        series = project.query("headrace_worker_resident_memory_bytes")
        return {one["metric"]["worker"] for one in series if float(one["value"][1]) > 10e6}

    assert poll(read_names, lambda seen: seen == names)
    assert len(names) == 4
    poll(
        lambda: project.query("headrace_workers"),
        lambda seen: [one["value"][1] for one in seen] == ["4"],
    )
    [target] = project.ask_prometheus("targets?state=active")["activeTargets"]
    assert target["health"] == "up"


def test_every_query_of_the_dashboards_shows_something(project: ComposeProject) -> None:
    def find_empty() -> list[str]:
        return [expression for expression in needed if not project.query(expression)]

    expressions = list_all_queries()
    needed = [text for text in expressions if not any(name in text for name in SOMETIMES)]
    for expression in expressions:
        project.query(expression)
    poll(find_empty, lambda empty: not empty)


def test_prometheus_evaluates_the_alert_rules_and_none_fires_for_nothing(
    project: ComposeProject,
) -> None:
    def read_rules() -> list[dict[str, Any]]:
        groups = project.ask_prometheus("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    rules = poll(read_rules, lambda found: all(rule["health"] == "ok" for rule in found))
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    assert len(alerts) >= 6
    firing = {rule["name"] for rule in alerts if rule["state"] == "firing"}
    assert firing <= {FAILING}, "tasks of earlier tests fail on purpose"


def test_an_alert_that_fires_is_known_to_prometheus_and_to_alertmanager_which_tells_of_it(
    project: ComposeProject,
) -> None:
    (project.files / "numbers.jsonl").write_text("4\n9\n")
    project.own_files()
    if not project.query(f'ALERTS{{alertname="{FAILING}"}}'):
        project.headrace("submit", "map", "math:exp", "numbers.jsonl", expected=1)
    firing = f'ALERTS{{alertname="{FAILING}", alertstate="firing"}}'
    with project.receive_alerts() as list_messages:
        [alert] = poll(lambda: project.query(firing), bool, ALERT_SECONDS)
        assert alert["metric"]["service"] == "calls"
        poll(project.list_alerts, lambda names: FAILING in names)
        messages = poll(list_messages, bool, DELIVERY_SECONDS)
    told = [one for message in messages for one in message["alerts"]]
    [one] = [one for one in told if one["labels"]["alertname"] == FAILING]
    assert (one["status"], one["labels"]["service"]) == ("firing", "calls")
    assert one["annotations"]["runbook_url"].endswith("#headracetasksfailing")
