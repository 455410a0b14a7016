"""Commands about shared state: values, lists, dicts, locks, events and queues with names."""

from __future__ import annotations

import click
from msgspec.structs import asdict

from headrace.cli.connecting import connect
from headrace.cli.groups import Group
from headrace.cli.options import ConnectionOptions, connection_options, json_option
from headrace.cli.printing import say_json, tell
from headrace.cli.show import say_table
from headrace_wire.words import format_bytes


@click.group(cls=Group)
def shared() -> None:
    """Show and delete shared state."""


@shared.command("list", short_help="List shared objects.")
@connection_options
@json_option
def list_shared(connection: ConnectionOptions, as_json: bool) -> None:
    """List shared objects: name, kind, items, size, and how many calls are waiting."""
    statuses = connect(connection).shared()
    if as_json:
        say_json([asdict(status) for status in statuses])
        return
    if not statuses:
        tell("headrace: nothing is shared")
        return
    rows = [
        [
            status.name,
            status.kind,
            f"{status.items:,}",
            format_bytes(status.size_bytes),
            str(status.waiting),
        ]
        for status in statuses
    ]
    headings = ["NAME", "KIND", "ITEMS", "SIZE", "WAITING"]
    say_table(headings, rows, {"ITEMS", "SIZE", "WAITING"}, ["KIND", "ITEMS", "SIZE"])


@shared.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@connection_options
def delete(names: tuple[str, ...], connection: ConnectionOptions) -> None:
    """Delete shared objects for everybody."""
    cluster = connect(connection)
    for name in names:
        cluster.delete_shared(name)
        tell(f"headrace: {name} is deleted")
