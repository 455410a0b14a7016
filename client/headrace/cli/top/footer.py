"""The line at the bottom of each screen, which shows its keys."""

from __future__ import annotations

from textual.widgets import Footer


def make_footer() -> Footer:
    """Return a footer that takes as little room as possible."""
    footer = Footer(show_command_palette=False)
    footer.set_reactive(Footer.compact, True)
    return footer
