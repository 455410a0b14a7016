"""Which jobs a page's address asks for, and the addresses of the pages before and after it."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

from headrace_coordinator.web.twins import make_twin
from headrace_wire.messages.jobs import JobFilter
from headrace_wire.mismatch import explain_mismatch

#: Jobs on a page.
JOBS_SHOWN = 50

#: Pages back that an address remembers.
MAX_TRAIL = 200

#: How long ago a job may have been submitted, in words.
SPANS = (
    ("3600", "in the last hour"),
    ("86400", "in the last day"),
    ("604800", "in the last week"),
    ("2592000", "in the last 30 days"),
)


@dataclass(frozen=True)
class AskedJobs:
    """A page of the list. ``trail`` holds the numbers before which the pages up to it begin."""

    chosen: JobFilter
    within: str
    trail: tuple[int, ...]
    wrong: str = ""

    @property
    def before(self) -> int:
        """The jobs of the page have lower numbers, or any if it is 0."""
        return self.trail[-1] if self.trail else 0

    @property
    def past(self) -> bool:
        """Whether those jobs are listed that have expired."""
        return self.chosen.past

    @property
    def first(self) -> int:
        """The place of the page's first job in the list, from 1."""
        return 1 + JOBS_SHOWN * len(self.trail)

    def older(self, last: int) -> str:
        """The address of the page that comes after the job of this number."""
        return self.address((*self.trail, last)[-MAX_TRAIL:])

    def newer(self) -> str:
        """The address of the page before this one, "" if this is the first."""
        return self.address(self.trail[:-1]) if self.trail else ""

    def address(self, trail: tuple[int, ...] = ()) -> str:
        """The address of a page of the same list."""
        query: dict[str, Any] = {**self._filter(), "within": self.within}
        query["trail"] = ".".join(map(str, trail))
        text = urlencode({name: value for name, value in query.items() if value}, doseq=True)
        return f"/jobs?{text}" if text else "/jobs"

    def stream(self) -> dict[str, Any]:
        """What the browser asks the API for, to see the same page live."""
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


def read_asked(query: QueryParams) -> AskedJobs:
    """Read the address of a page. What is wrong in it is told, and not asked for."""
    within = query.get("within", "")
    if within not in dict(SPANS):
        within = ""
    # A whole minute: the browser asks for the same in its stream, which is shared by all who do.
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
    kind = make_twin(JobFilter)
    try:
        twin = msgspec.convert(fields, kind, strict=False)
        return AskedJobs(JobFilter(**msgspec.structs.asdict(twin)), within, trail)
    except msgspec.ValidationError as error:
        return AskedJobs(
            JobFilter(limit=JOBS_SHOWN),
            "",
            (),
            f"The address asks for what cannot be: {explain_mismatch(error, kind)}.",
        )
