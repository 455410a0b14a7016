"""Commands about the keys of a coordinator, for its own machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.groups import Group
from headrace.cli.kinds import PathKind, WordKind
from headrace.cli.options import combine, json_option, option
from headrace.cli.printing import say, say_json, tell
from headrace.cli.show import format_time, say_table
from headrace.data_folder import find_data_folder, find_key_file
from headrace_wire.errors import OutputError, UsageError
from headrace_wire.open_files import explain_system_error
from headrace_wire.permissions import WRITE, explain_error, refuse_full_disk
from headrace_wire.roles import ADMIN, CLIENT, DERIVED_ROLES, ROLES, Role

if TYPE_CHECKING:
    from headrace_wire.key_book import KeyBook

folder_options = combine(
    [
        option(
            "--data",
            type=PathKind(path_type=Path, file_okay=False),
            default=find_data_folder,
            show_default="the user's state folder",
            help="The coordinator's data folder, on this machine.",
        ),
        option(
            "--key-file",
            type=PathKind(path_type=Path, dir_okay=False),
            show_default="key in the data folder",
            help="The coordinator's own key.",
        ),
    ]
)


@click.group(cls=Group)
def keys() -> None:
    """Make and revoke keys for people and machines.

    Run this on the coordinator's machine, as its user. A running coordinator notices changes within
    a second.
    """


@keys.command()
@folder_options
def init(data: Path, key_file: Path | None) -> None:
    """Make the keys of a coordinator before its first start. Existing keys are kept.

    This is for machines that are prepared in advance: `headrace keys new` can then make more keys.
    """
    from headrace_wire.key import ensure_key  # noqa: PLC0415 - quick start
    from headrace_wire.key_book import refuse_given_key  # noqa: PLC0415 - quick start
    from headrace_wire.role_files import write_role_files  # noqa: PLC0415 - quick start

    path = key_file or find_key_file(data)
    refuse_given_key(path, find_key_file(data))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        what = f"{path.parent} cannot be made"
        refuse_full_disk(error, what, path.parent)
        why = explain_error(error, path.parent, WRITE)
        raise UsageError(f"{what}: {why}") from None
    write_role_files(path, ensure_key(path))
    tell(f"headrace: {path} is the coordinator's own key; those of the roles are beside it")


@keys.command("list", short_help="List keys.")
@folder_options
@json_option
def list_keys(data: Path, key_file: Path | None, as_json: bool) -> None:
    """List keys: name, role, and when they were made. The keys themselves are not shown."""
    from headrace_wire.key import load_key  # noqa: PLC0415 - quick start
    from headrace_wire.key_book import read_book, refuse_given_key  # noqa: PLC0415 - quick start

    path = key_file or find_key_file(data)
    load_key(path)
    refuse_given_key(path, find_key_file(data))
    rows = _list_rows(path, read_book(path))
    if as_json:
        names = ("name", "role", "made_at", "file")
        say_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        say_table(["NAME", "ROLE", "MADE", "FILE"], [[*row] for row in rows], beneath=["MADE"])


@keys.command()
@click.argument("name")
@option(
    "--role",
    type=WordKind(ROLES),
    default=CLIENT,
    show_default=True,
    help="What the key allows.",
)
@option(
    "-o",
    "--output",
    type=PathKind(readable=False, path_type=Path, dir_okay=False),
    help="Write it to this new file, which only you may read. [default: standard output]",
)
@option(
    "--take-over",
    is_flag=True,
    help="Permit the name of a key that was revoked, whose jobs then belong to the new key.",
)
@folder_options
def new(
    name: str,
    role: Role,
    output: Path | None,
    take_over: bool,
    data: Path,
    key_file: Path | None,
) -> None:
    """Make a key called NAME, for one person or one machine."""
    from headrace_wire.key_book import drop_key, make_named_key  # noqa: PLC0415 - quick start
    from headrace_wire.system.secret_files import replace_secret_file  # noqa: PLC0415 - quick start

    path = key_file or find_key_file(data)
    if output and output.is_symlink() and not output.exists():
        raise UsageError(f"{output} is a link, which is not followed: name another file with -o")
    if output and output.exists():
        raise UsageError(f"{output} is there already: name another file with -o")
    made = make_named_key(path, name, role, take_over=take_over)
    if output is None:
        say(made.key)
    else:
        try:
            replace_secret_file(output, f"{made.key}\n".encode())
        except OSError as error:
            drop_key(path, made)
            raise OutputError(
                f"{output} cannot be written: {explain_system_error(error)}"
            ) from None
    _note(data, f"made key {name} ({role})")
    tell(f"headrace: key {name} has role {role}; `headrace keys revoke {name}` takes it back")


@keys.command()
@click.argument("name")
@folder_options
def revoke(name: str, data: Path, key_file: Path | None) -> None:
    """Revoke the key NAME, and close the connections that were made with it.

    `previous` means the coordinator's own key and the keys of the roles before the last rotation.
    """
    from headrace_wire.key_book import revoke_key  # noqa: PLC0415 - quick start

    revoke_key(key_file or find_key_file(data), name)
    _note(data, f"revoked key {name}")
    tell(f"headrace: key {name} is revoked")


@keys.command()
@folder_options
def rotate(data: Path, key_file: Path | None) -> None:
    """Replace the coordinator's own key and the keys of the roles. Named keys are kept.

    The replaced keys stay valid until `headrace keys revoke previous`.
    """
    from headrace_wire.key_book import rotate_key  # noqa: PLC0415 - quick start

    path = key_file or find_key_file(data)
    rotate_key(path)
    _note(data, "rotated the coordinator's key")
    tell(
        f"headrace: {path} is new, and so are the keys of the roles beside it: copy them to "
        "workers and clients, start those again, and then `headrace keys revoke previous`"
    )


def _list_rows(path: Path, book: KeyBook) -> list[tuple[str, str, str, str]]:
    from headrace_wire.keyring import name_role_file  # noqa: PLC0415 - quick start

    rows = [(ADMIN, ADMIN, "", str(path))]
    rows += [(role, role, "", str(name_role_file(path, role))) for role in DERIVED_ROLES]
    if book.previous:
        rows.append(("previous", "each", "", ""))
    return rows + [(one.name, one.role, format_time(one.made_at) or "", "") for one in book.keys]


def _note(data: Path, what: str) -> None:
    from headrace_coordinator.monitoring.audit import note_offline  # noqa: PLC0415 - quick start

    try:
        note_offline(data, what)
    except OSError as error:
        tell(f"headrace: the audit log in {data} cannot be written: {explain_system_error(error)}")
