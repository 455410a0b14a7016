"""What a notebook shows for a job, a worker or a cluster: small tables of HTML.

Everything that people have named is escaped. There are no scripts and no colours, so that the
tables fit the light and the dark theme of any notebook.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from html import escape

from headrace_wire.printing import clean_line


def draw_card(title: str, rows: Iterable[tuple[str, str]], bar: str = "") -> str:
    """Return one thing as HTML: its title, a bar (see ``draw_bar``), and words with their values.

    Rows without a value are left out.
    """
    lines = "".join(
        f'<tr><th scope="row" style="text-align:left">{_write(word)}</th>'
        f'<td style="text-align:left">{_write(value)}</td></tr>'
        for word, value in rows
        if value
    )
    return f"<div><strong>{_write(title)}</strong>{bar}<table>{lines}</table></div>"


def draw_bar(done: float, of: float) -> str:
    """Return a progress bar as HTML."""
    part = min(done / of, 1.0) if of else 0.0
    value = f'value="{part:.4f}" max="1"'
    return f' <progress {value} aria-label="done"></progress> {100 * part:.0f} %'


def draw_list(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return several things of a kind as HTML, each in a row."""
    head = "".join(
        f'<th scope="col" style="text-align:left">{_write(word)}</th>' for word in headings
    )
    lines = "".join(
        "<tr>"
        + "".join(f'<td style="text-align:left">{_write(cell)}</td>' for cell in row)
        + "</tr>"
        for row in rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>" if lines else ""
    return f"<div><strong>{_write(title)}</strong>{table}</div>"


def write_time(unix_seconds: float | None) -> str:
    """Return a time by the reader's own clock, to the second; "" for None."""
    if unix_seconds is None:
        return ""
    return dt.datetime.fromtimestamp(unix_seconds).astimezone().isoformat(" ", "seconds")


def _write(text: str) -> str:
    return escape(clean_line(text))
