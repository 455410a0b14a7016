"""Which jobs the URL of a page requests, and the URLs of the pages before and after it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from headrace_coordinator.web.json_models import make_model
from headrace_wire.messages.jobs import JobFilter
from headrace_wire.mismatch import explain_mismatch

#: The number of jobs on a page.
JOBS_SHOWN = 50

#: How many previous pages a URL remembers.
MAX_TRAIL = 200

#: The choices of how long ago a job was submitted.
SPANS = (
    ("3600", "in the last hour"),
    ("86400", "in the last day"),
    ("604800", "in the last week"),
    ("2592000", "in the last 30 days"),
)


@dataclass(frozen=True)
class JobQuery:
    """A page of the list. ``trail`` has the numbers before which the pages up to this one begin."""

    chosen: JobFilter
    within: str
    trail: tuple[int, ...]
    wrong: str = ""

    @property
    def before(self) -> int:
        """The jobs of the page have lower numbers than this, or any if it is 0."""
        return self.trail[-1] if self.trail else 0

    @property
    def past(self) -> bool:
        """Whether jobs are listed that have expired."""
        return self.chosen.past

    @property
    def first(self) -> int:
        """The position of the page's first job in the list, from 1."""
        return 1 + JOBS_SHOWN * len(self.trail)

    def older(self, last: int) -> str:
        """Return the URL of the page that follows the job with this number."""
        return self.address((*self.trail, last)[-MAX_TRAIL:])

    def newer(self) -> str:
        """Return the URL of the previous page, "" if this is the first."""
        return self.address(self.trail[:-1]) if self.trail else ""

    def address(self, trail: tuple[int, ...] = ()) -> str:
        """Return the URL of a page of the same list."""
        query: dict[str, Any] = {**self._filter(), "within": self.within}
        query["trail"] = ".".join(map(str, trail))
        text = urlencode({name: value for name, value in query.items() if value}, doseq=True)
        return f"/jobs?{text}" if text else "/jobs"

    def stream(self) -> dict[str, Any]:
        """Return what the browser requests from the API to update the same page."""
        asked = {**self._filter(), "since": self.chosen.since, "before": self.before}
        return {**{name: value for name, value in asked.items() if value}, "limit": JOBS_SHOWN}

    def _filter(self) -> dict[str, Any]:
        chosen = self.chosen
        return {
            "text": chosen.text,
            "states": list(chosen.states),
            "service": chosen.service,
            "submitted_by": chosen.submitted_by,
            "past": "true" if self.past else "",
        }


def read_job_query(query: QueryParams) -> JobQuery:
    """Parse the URL of a page. Invalid parts are reported, and not requested."""
    within = query.get("within", "")
    if within not in dict(SPANS):
        within = ""
    # This is rounded to a minute, so that browsers make the same request and share its stream.
    since = (time.time() - float(within)) // 60 * 60 if within else 0.0
    fields = {
        "states": query.getlist("states"),
        "service": query.get("service", "").strip(),
        "text": query.get("text", "").strip(),
        "submitted_by": query.get("submitted_by", "").strip(),
        "past": query.get("past", "").strip() or "false",
        "since": since,
        "limit": JOBS_SHOWN,
    }
    trail = tuple(
        int(number)
        for number in query.get("trail", "").split(".")[:MAX_TRAIL]
        if re.fullmatch(r"[1-9]\d{0,17}", number, re.ASCII)
    )
    kind = make_model(JobFilter)
    try:
        model = msgspec.convert(fields, kind, strict=False)
        return JobQuery(JobFilter(**msgspec.structs.asdict(model)), within, trail)
    except msgspec.ValidationError as error:
        return JobQuery(
            JobFilter(limit=JOBS_SHOWN),
            "",
            (),
            f"The address asks for what cannot be: {explain_mismatch(error, kind)}.",
        )
