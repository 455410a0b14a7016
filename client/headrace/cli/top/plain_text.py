"""Text as it is: without markup, without colours, and drawn anew only when it has changed."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static


class PlainText(Static):
    """Lines that others have cleaned."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._shown = ""

    def show_text(self, text: str) -> None:
        """Show this from now on."""
        if text != self._shown:
            self._shown = text
            self.update(Text(text))
