"""Small screens above the others: a question, and text to read."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from headrace_wire.printing import clean_line, clean_text


class Question(ModalScreen[bool]):
    """Asks once: y means yes, and every other key changes nothing."""

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Text(clean_line(self._question)))
            yield Static(Text("\ny: yes   n: no"))

    def key_y(self) -> None:
        self.dismiss(True)

    def key_n(self) -> None:
        self.dismiss(False)

    def key_escape(self) -> None:
        self.dismiss(False)

    def key_q(self) -> None:
        self.dismiss(False)


class Reading(ModalScreen[None]):
    """Text that can be scrolled, until escape or q."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "Close"),
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(Text(clean_line(self._title), style="bold"))
            with VerticalScroll():
                yield Static(Text(clean_text(self._text)), id="text")
            yield Static(Text("escape: close"))

    def action_scroll_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_scroll_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up(animate=False)
