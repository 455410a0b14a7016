"""The page's scripts: what they write is what the coordinator writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace

from headrace_coordinator.web.filters import EVENT_STATES
from headrace_coordinator.web.json_models import to_model
from headrace_coordinator.web.overview_page import condense
from headrace_coordinator.web.rows import job_fields, worker_fields
from support.page_browser import open_page
from support.page_figures import CASES, CROWD
from support.page_site import log_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from support.commands import Site

# One browser and one cluster for all of them.
pytestmark = pytest.mark.xdist_group("page")


def test_the_browser_writes_what_the_coordinator_writes(
    browser: Browser, site: Site, failed_job: str
) -> None:
    with open_page(browser) as page, site.open_cluster() as cluster:
        log_in(site, page, path="/events")
        said = import_module(page, "format.js", CASES, "([name, given]) => module[name](...given)")
        assert said == [text for _, _, text in CASES]
        ended = cluster.job(failed_job).status
        running = replace(ended, state="running", tasks=2 * ended.tasks, done_per_second=0.3)
        statuses = (ended, running, replace(running, done_per_second=None))
        given = [json.loads(msgspec.json.encode(to_model(status))) for status in statuses]
        fields = import_module(page, "rows.js", given, "module.jobFields")
        assert fields == [json.loads(json.dumps(job_fields(status))) for status in statuses]
        given = [[json.loads(msgspec.json.encode(to_model(one))) for one in CROWD]]
        [events] = import_module(page, "events.js", given, "(given) => module.condense(given, 20)")
        assert [event["text"] for event in events] == [event.text for event in condense(CROWD)]
        given = [
            {"at": 0.0, "kind": kind, "job": "", "worker": "w1", "text": ""}
            for kind in (*EVENT_STATES, "a-kind-of-later")
        ]
        fields = import_module(page, "events.js", given, "module.eventFields")
        assert [one["state"] for one in fields] == [*EVENT_STATES.values(), ""]
        [worker] = [one for one in cluster.workers() if one.name == "steady"]
        given = [json.loads(msgspec.json.encode(to_model(worker)))]
        [fields] = import_module(page, "rows.js", given, "(given) => module.workerFields(given)")
        assert fields == json.loads(json.dumps(worker_fields(worker)))


def test_the_map_has_a_place_for_each_task(browser: Browser, site: Site) -> None:
    with open_page(browser) as page:
        log_in(site, page, path="/events")
        cases = [[tasks, 1100, 460, 14] for tasks in (1, 480, 500_000, 1_000_000, 10**9)]
        plans = import_module(page, "taskmap.js", cases, "(given) => module.layOut(...given)")
        for (tasks, width, height, _), plan in zip(cases, plans, strict=True):
            assert plan["each"] * plan["cells"] >= tasks
            assert plan["columns"] * plan["rows"] >= plan["cells"]
            assert plan["columns"] * plan["size"] <= width
            assert plan["rows"] * plan["size"] <= height
        runs = [
            {"start": 0, "stop": 5, "state": "done"},
            {"start": 5, "stop": 6, "state": "dead"},
            {"start": 6, "stop": 10, "state": "waiting"},
        ]
        [cells] = import_module(
            page, "taskmap.js", [runs],
            "(runs) => [...module.colourCells(runs, 0, { each: 3, cells: 4 })]"
            ".map((state) => module.STATES[state])",
        )  # fmt: skip
        assert cells == ["done", "dead", "waiting", "waiting"]
        [counts] = import_module(
            page, "taskmap.js", [runs], "(runs) => module.countStates(runs, 4, 8)"
        )
        assert counts == {"done": 1, "dead": 1, "waiting": 2}


def import_module(page: Page, name: str, cases: list[Any], act: str) -> list[Any]:
    """What a function says of each case, with the page's module of that name as ``module``."""
    found: list[Any] = page.evaluate(
        f"""async (cases) => {{
            const base = document.querySelector('script[type="module"]').src;
            const module = await import(new URL("./{name}", base));
            return cases.map({act});
        }}""",
        cases,
    )
    return found
