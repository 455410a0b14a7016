"""What notebooks show: nothing that people have named is taken for markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from headrace_wire.html import draw_bar, draw_card, draw_list
from headrace_wire.messages.jobs import JobStatus
from headrace_wire.messages.views import WorkerView
from headrace_wire.messages.workers import RunningTask, WorkerStatus
from support.wire_messages import make_message

HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m\n<img src=x onerror=y>"


class Parsed(HTMLParser):
    """The tags and the text of HTML, all of whose elements are closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)
        assert {name for name, _ in attrs} <= {"scope", "style", "value", "max", "aria-label"}

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(html: str) -> Parsed:
    """Everything hostile is there as text, and nothing as markup."""
    parsed = Parsed(html)
    assert set(parsed.tags) <= {
        "div", "strong", "table", "thead", "tbody", "tr", "th", "td", "progress"
    }  # fmt: skip
    assert "\x1b" not in html
    return parsed


def test_a_job_is_shown_with_hostile_names_as_text() -> None:
    fields = ("state", "service", "operation", "name", "function", "submitted_by")
    said = ("waiting_for", "ended_because")
    status = make_message(JobStatus, **dict.fromkeys((*fields, *said), HOSTILE))
    assert check(status._repr_html_()).text.count("<script>alert(1)</script>") >= 4


def test_what_failed_or_was_cancelled_does_not_fill_a_jobs_bar() -> None:
    status = make_message(JobStatus, state="failed", tasks=10, done=2, failed=5, cancelled=3)
    assert "20 %" in check(status._repr_html_()).text


def test_a_worker_is_shown_with_hostile_names_as_text() -> None:
    status = make_message(
        WorkerStatus, name=HOSTILE, host=HOSTILE, slots_limit=HOSTILE, engines={HOSTILE: HOSTILE}
    )
    task = make_message(RunningTask, job=HOSTILE)
    parsed = check(WorkerView(status, (task,), ())._repr_html_())
    assert parsed.text.count("<img src=x onerror=y>") >= 5


def test_rows_without_a_value_are_left_out() -> None:
    assert "none" not in check(draw_card("title", [("none", ""), ("some", "value")])).text
    assert "table" not in check(draw_list("title", ["a"], [])).tags


@pytest.mark.parametrize(("done", "of", "text"), [(0, 0, "0 %"), (1, 2, "50 %"), (5, 2, "100 %")])
def test_a_bar_says_its_part_in_words(done: int, of: int, text: str) -> None:
    assert check(draw_bar(done, of)).text.strip() == text
