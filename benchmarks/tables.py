"""Tables of a summary: plain text for a terminal, Markdown for docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import FIGURES, Figure, list_whole_figures
from benchmarks.machine import Machine
from benchmarks.results import Results, find_machine
from benchmarks.summary import HEADRACE, Ratio, Summary, compare, summarize
from benchmarks.systems import OWN, PEERS

#: What efficiency is also given in terms of.
POOL = "multiprocessing.Pool"


#: What stands above the table of ratios.
_RATIOS_HEAD = (
    "How many times as good headrace is: the median of the ratios within each round. Below 1 it is "
    "worse."
)


@dataclass
class _Notes:
    """Footnotes by their text, in the order in which they are called for."""

    texts: list[str] = field(default_factory=list[str])

    def mark(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return f"<sup>{self.texts.index(text) + 1}</sup>"

    def list_lines(self) -> list[str]:
        return [f"<sup>{number}</sup> {text}.<br>" for number, text in enumerate(self.texts, 1)]


def format_number(value: float) -> str:
    """With three digits that count."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def format_ratio(value: float) -> str:
    return (
        f"{value:#.2g}" if value < 0.1 else f"{value:.2f}" if value < 10 else format_number(value)
    )


def make_text(results: Results) -> str:
    """A line for each figure of each system, with the spread: for a terminal."""
    rows = [("", "median", "least", "most", "runs", "headrace is, times as good")]
    for figure in [*FIGURES, *list_whole_figures(results)]:
        systems = [
            (system, found)
            for system in list_systems(results, figure.measure)
            if (found := summarize(results, figure, system))
        ]
        if systems:
            rows.append((figure.heading, "", "", "", "", ""))
        for system, found in systems:
            ratio = compare(results, figure, HEADRACE, system) if system != HEADRACE else None
            rows.append((f"  {system}", *_list_text_cells(found), _describe_ratio(ratio)))
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < index < 5 else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def make_markdown(results: Results) -> str:
    """Medians, ratios and what is worse; nothing in it but what was measured."""
    notes = _Notes()
    figures = [figure for figure in FIGURES if figure.measure in results.measures]
    parts = [f"{describe_run(results)} Measured: {list_versions(results)}."]
    if figures:
        parts += [
            _make_medians(results, figures, notes),
            _RATIOS_HEAD,
            _make_ratios(results, figures, notes),
        ]
    whole = list_whole_figures(results)
    if whole:
        parts += ["Whole commands:", _make_whole(results, whole, notes)]
    parts += list_worse(results, [*figures, *whole])
    if notes.texts:
        parts.append("\n".join(notes.list_lines()))
    return "\n\n".join(parts)


def list_systems(results: Results, *measures: str) -> list[str]:
    """The systems with runs of these measures, headrace and the local pools first."""
    found = dict.fromkeys(
        system for measure in measures for system in results.measures.get(measure, {})
    )
    order = [*OWN, *PEERS]
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def list_versions(results: Results) -> str:
    """Every package, broker and program with its version."""
    named = {name: text for one in results.versions.values() for name, text in one.items()}
    return ", ".join(f"{name} {text}" for name, text in named.items())


def describe_machine(machine: Machine) -> str:
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['kernel']}, Python {machine['python']}"
    )


def list_commands(results: Results) -> str:
    """The commands that gave the results, each once."""
    return ", ".join(dict.fromkeys(bench["command"] for bench in results.benches.values()))


def describe_run(results: Results) -> str:
    """When and where the results were measured, with how many runs."""
    counts = {
        len(found.values)
        for figure in [*FIGURES, *list_whole_figures(results)]
        for system in list_systems(results, figure.measure)
        if (found := summarize(results, figure, system)) and found.values
    }
    runs = " to ".join(map(str, sorted({min(counts), max(counts)}))) if counts else "no"
    dates = sorted({date[:10] for date in results.benches})
    machine = describe_machine(find_machine(results))
    return (
        f"Medians of {runs} runs of `{list_commands(results)}` on {' and '.join(dates)}: {machine}."
    )


def _make_medians(results: Results, figures: Sequence[Figure], notes: _Notes) -> str:
    systems = list_systems(results, *(figure.measure for figure in figures))
    rows: list[Sequence[str]] = []
    for figure in figures:
        found = [summarize(results, figure, system) for system in systems]
        rows.append([figure.heading, *(_format_summary(one, notes) for one in found)])
        if figure.name == "efficiency" and POOL in systems:
            ratios = [compare(results, figure, system, POOL) for system in systems]
            cells = [format_ratio(ratio.median) if ratio else "-" for ratio in ratios]
            rows.append([f"… times that of `{POOL}`", *cells])
    return make_table(["", *systems], rows)


def _make_ratios(results: Results, figures: Sequence[Figure], notes: _Notes) -> str:
    systems = list_systems(results, *(figure.measure for figure in figures))
    systems = [system for system in systems if system != HEADRACE]
    rows = [
        [
            figure.title,
            *(_format_ratio(compare(results, figure, HEADRACE, one), notes) for one in systems),
        ]
        for figure in figures
    ]
    return make_table(["headrace compared with", *systems], rows)


def _make_whole(results: Results, figures: Sequence[Figure], notes: _Notes) -> str:
    rows: list[Sequence[str]] = []
    for figure in figures:
        heading = figure.heading
        for system in list_systems(results, figure.measure):
            found = summarize(results, figure, system)
            if found is None or not (found.values or found.failed):
                continue
            ratio = compare(results, figure, HEADRACE, system) if system != HEADRACE else None
            spread = " to ".join(map(format_number, found.spread)) if found.values else "-"
            cells = (_format_summary(found, notes), spread, _format_ratio(ratio, notes))
            rows.append([heading, system, *cells])
            heading = ""
    heads = ["", "with", "median", "least to most", "headrace is, times as good"]
    return make_table(heads, rows, texts=2)


def list_worse(results: Results, figures: Sequence[Figure]) -> list[str]:
    """What headrace is worse at, by system, if there is anything."""
    worse: list[str] = []
    for system in list_systems(results, *(figure.measure for figure in figures)):
        found = [
            f"{figure.title[0].lower()}{figure.title[1:]} ({format_ratio(ratio.median)}"
            f"{', undecided' if ratio.undecided else ''})"
            for figure in figures
            if system != HEADRACE
            and (ratio := compare(results, figure, HEADRACE, system))
            and ratio.worse
        ]
        if found:
            worse.append(f"- than {system}: {'; '.join(found)}")
    return ["Where headrace is worse:", "\n".join(worse)] if worse else []


def _format_summary(found: Summary | None, notes: _Notes) -> str:
    if found is None:
        return "-"
    if not found.values:
        return f"fails{notes.mark(_say_in_table(found.error))}" if found.error else "-"
    text = format_number(found.median)
    if found.failed:
        runs = len(found.values) + found.failed
        text += notes.mark(f"{found.failed} of {runs} runs failed: {_say_in_table(found.error)}")
    return text


def _format_ratio(ratio: Ratio | None, notes: _Notes) -> str:
    if ratio is None:
        return "-"
    text = format_ratio(ratio.median)
    if ratio.undecided:
        text += notes.mark("Some rounds say that headrace is better, and others that it is worse")
    elif ratio.worse:
        text = f"**{text} (worse)**"
    if not ratio.paired:
        text += notes.mark("Not measured in the same rounds: the ratio of the medians")
    return text


def _describe_ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    spread = f"{format_ratio(ratio.least)} to {format_ratio(ratio.most)}"
    return (
        f"{format_ratio(ratio.median)} ({spread if ratio.paired else 'of medians'})"
        f"{', undecided' if ratio.undecided else ', worse' if ratio.worse else ''}"
    )


def _list_text_cells(found: Summary) -> tuple[str, str, str, str]:
    if not found.values:
        return "fails" if found.error else "", "", "", ""
    least, most = found.spread
    return (
        format_number(found.median),
        format_number(least),
        format_number(most),
        str(len(found.values)),
    )


def _say_in_table(error: str | None) -> str:
    """An error as it can stand in Markdown."""
    return f"`{(error or '').replace('`', '')[:160]}`"


def make_table(heads: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """A table whose first columns are text, and the others numbers."""
    lines = [heads, ["---"] * texts + ["---:"] * (len(heads) - texts), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
