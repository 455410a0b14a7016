"""The command that copies a coordinator's store."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli.kinds import PathKind
from headrace.cli.options import option
from headrace.cli.printing import tell
from headrace.cli.progress import Progress
from headrace.data_folder import find_data_folder
from headrace_wire.errors import EXIT_TASKS_FAILED
from headrace_wire.words import count, format_bytes


@click.command()
@click.argument("folder", type=PathKind(path_type=Path, file_okay=False, readable=False))
@option(
    "--data",
    type=PathKind(path_type=Path, file_okay=False),
    default=find_data_folder,
    show_default="the user's state folder",
    help="The coordinator's data folder, on this machine.",
)
def backup(folder: Path, data: Path) -> None:
    """Copy a coordinator's store to FOLDER while the coordinator is running.

    Run this on the coordinator's machine, as its user. FOLDER is made, or must be empty. The key is
    not copied.
    """
    from headrace_coordinator.store.backup import back_up  # noqa: PLC0415 - quick start

    begun: list[int] = []
    with Progress() as progress:

        def show(position: int, of: int) -> None:
            if not begun:
                progress.begin("copying bytes", of)
                begun.append(of)
            progress.update(min(position, of))

        made = back_up(data, folder, show)
    size = format_bytes(made.size_bytes)
    tell(f"headrace: {folder} has {count(made.jobs, 'job')}, {size}; keep a copy of the key apart")
    if made.damaged:
        tell(
            f"headrace: of {made.payloads:,} large inputs and results, {made.damaged:,} "
            f"{'is' if made.damaged == 1 else 'are'} damaged in {data} itself: their tasks fail "
            "and say so"
        )
        click.get_current_context().exit(EXIT_TASKS_FAILED)
