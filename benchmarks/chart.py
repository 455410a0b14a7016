"""The chart of the results: a panel for each figure, bars by system, headrace in colour.

The same results give the same bytes, whenever they are drawn: nothing in it is random or of today.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet

from benchmarks.figures import FIGURES, Figure, list_whole_figures
from benchmarks.results import Results, find_machine
from benchmarks.summary import HEADRACE, Summary, summarize
from benchmarks.tables import (
    describe_machine,
    format_number,
    list_commands,
    list_systems,
    list_versions,
)

#: Colours of headrace, of the others, of what is written small, and of the ground.
_HEADRACE, _OTHER, _FAINT, _GROUND = "#d9591c", "#a8b3c0", "#5b6672", "#ffffff"

#: The colour of the lines that show the spread, on bars of either colour.
_SPREAD = "#1f2933"

#: Inches: the sheet, a panel's bars and the names left of them, what is around them.
_WIDTH, _BAR, _NAMES, _HEAD, _GAP, _EDGE = 9.6, 0.21, 1.55, 0.5, 0.22, 0.2

#: Panels side by side.
_COLUMNS = 2

#: A panel whose largest value is that many times its smallest has a logarithmic scale.
_LOGARITHMIC = 20.0

#: Characters in a line below the panels.
_FOOT_COLUMNS = 150

_STYLE: Any = {
    "svg.hashsalt": "headrace",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
}


@dataclass(frozen=True)
class _Panel:
    figure: Figure
    #: The best first, and last what has no value.
    bars: Sequence[tuple[str, Summary]]

    @property
    def height(self) -> float:
        return _BAR * len(self.bars)


def draw(results: Results, kind: str = "svg") -> bytes:
    """The chart as an SVG, or as what else matplotlib can write."""
    panels = _list_panels(results)
    rows = [panels[at : at + _COLUMNS] for at in range(0, len(panels), _COLUMNS)]
    foot = _write_foot(results)
    foot_height = 0.17 * len(foot) + _EDGE
    height = sum(_HEAD + max(panel.height for panel in row) + _GAP for row in rows)
    height += foot_height + _EDGE
    with mpl.rc_context(_STYLE):
        sheet = Sheet(figsize=(_WIDTH, height), facecolor=_GROUND)
        top = height - _EDGE
        for row in rows:
            for column, panel in enumerate(row):
                _draw_panel(sheet, panel, column, top - _HEAD, height)
            top -= _HEAD + max(panel.height for panel in row) + _GAP
        for number, line in enumerate(foot):
            place = (foot_height - 0.17 * (number + 1)) / height
            sheet.text(_EDGE / _WIDTH, place, line, color=_FAINT, fontsize=8)
        written = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        sheet.savefig(written, format=kind, metadata=metadata, dpi=120)
    drawn = written.getvalue()
    return drawn if kind != "svg" else b"\n".join(map(bytes.rstrip, drawn.split(b"\n")))


def _list_panels(results: Results) -> list[_Panel]:
    panels: list[_Panel] = []
    for figure in [*FIGURES, *list_whole_figures(results)]:
        found = [
            (system, one)
            for system in list_systems(results, figure.measure)
            if (one := summarize(results, figure, system)) and (one.values or one.failed)
        ]
        measured = [bar for bar in found if bar[1].values]
        measured.sort(key=lambda bar: bar[1].median, reverse=figure.more_is_better)
        if measured:
            panels.append(_Panel(figure, measured + [bar for bar in found if not bar[1].values]))
    return panels


def _draw_panel(sheet: Sheet, panel: _Panel, column: int, top: float, sheet_height: float) -> None:
    """Bars with their names at the left and their values at the right; no axes."""
    column_width = (_WIDTH - 2 * _EDGE) / _COLUMNS
    left = _EDGE + column * column_width + _NAMES
    width = column_width - _NAMES - _GAP
    axes = sheet.add_axes(
        (left / _WIDTH, (top - panel.height) / sheet_height, width / _WIDTH,
         panel.height / sheet_height),
    )  # fmt: skip
    axes.set_axis_off()
    axes.set_ylim(len(panel.bars) - 0.5, -0.5)
    logarithmic, start = _set_scale(axes, panel)
    for place, (system, one) in enumerate(panel.bars):
        mine = system == HEADRACE
        weight = "bold" if mine else "normal"
        _write(axes, -0.02, place, system, ha="right", weight=weight)
        if not one.values:
            _write(axes, 0.01, place, "fails", color=_FAINT)
            continue
        color = _HEADRACE if mine else _OTHER
        axes.barh(place, one.median - start, left=start, height=0.72, color=color)
        least, most = one.spread
        axes.plot([least, most], [place, place], color=_SPREAD, linewidth=1, clip_on=False)
        axes.annotate(
            format_number(one.median),
            (max(one.median, most), place),
            xytext=(4, 0), textcoords="offset points", va="center_baseline", weight=weight,
        )  # fmt: skip
    better = "more is better" if panel.figure.more_is_better else "less is better"
    scale = ", logarithmic scale" if logarithmic else ""
    across = (_EDGE + column * column_width) / _WIDTH
    sheet.text(across, (top + 0.23) / sheet_height, panel.figure.heading, weight="bold")
    sheet.text(across, (top + 0.07) / sheet_height, better + scale, color=_FAINT, fontsize=8)


def _set_scale(axes: Axes, panel: _Panel) -> tuple[bool, float]:
    """Whether the scale is logarithmic, and where its bars begin."""
    values = [value for _, one in panel.bars for value in one.values]
    least, most = min(values), max(values)
    if least <= 0 or most / least < _LOGARITHMIC:
        axes.set_xlim(0, most * 1.3)
        return False, 0.0
    start = least / (most / least) ** 0.15
    axes.set_xscale("log")
    axes.set_xlim(start, most * (most / start) ** 0.25)
    return True, start


def _write(
    axes: Axes,
    across: float,
    place: float,
    text: str,
    *,
    ha: str = "left",
    weight: str = "normal",
    color: str = "black",
) -> None:
    """Text at a share of the panel's width, at the height of a bar."""
    axes.text(
        across, place, text, ha=ha, va="center_baseline", weight=weight, color=color,
        transform=axes.get_yaxis_transform(),
    )  # fmt: skip


def _write_foot(results: Results) -> list[str]:
    """Command, date, machine and versions, in lines that fit."""
    dates = " and ".join(sorted({date[:10] for date in results.benches}))
    texts = [
        f"{list_commands(results)}, {dates}. Bars: medians; thin lines: least to most.",
        f"{describe_machine(find_machine(results))}. {list_versions(results)}.",
    ]
    return [line for text in texts for line in textwrap.wrap(text, _FOOT_COLUMNS)]
