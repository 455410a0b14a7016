"""The command that opens the coordinator's page."""

from __future__ import annotations

import os
import sys
import webbrowser

import click

from headrace.cli.connecting import connect
from headrace.cli.options import ConnectionOptions, connection_options, option
from headrace.cli.printing import say, tell
from headrace_wire.errors import UsageError
from headrace_wire.key import load_key
from headrace_wire.page_links import (
    LINK_SECONDS,
    is_elsewhere,
    make_link_token,
    reach_page,
    write_link,
)


@click.command()
@option("--observer", is_flag=True, help="Open a page on which nothing can be changed.")
@option("--no-browser", is_flag=True, help="Print the link, but do not start a browser.")
@connection_options
def web(observer: bool, no_browser: bool, connection: ConnectionOptions) -> None:
    """Open the coordinator's page with the permissions of your key.

    The link is printed, too. It is valid for an hour. A browser that has opened it stays logged in
    until the page is not used for a week.
    """
    coordinator = connection.coordinator
    jobs = connect(connection).engine.jobs
    page = jobs.info().page
    if not page:
        raise UsageError(
            f"the coordinator at {coordinator} serves no page: start it without --no-http"
        )
    # This refuses keys that the page refuses, too: their link would not open anything.
    jobs.overview()
    token = make_link_token(load_key(*connection.key_files), LINK_SECONDS, looks_only=observer)
    link = write_link(reach_page(page, coordinator), token)
    if is_elsewhere(page, coordinator):
        place = page.partition("://")[2]
        port = place.rpartition(":")[2]
        tell(
            f"headrace web: the page is served to the coordinator's own machine alone; "
            f"`ssh -L {port}:{place} {coordinator.host}` brings it here, or start the coordinator "
            f"with --http 0.0.0.0:{port}"
        )
    elif not no_browser and _has_screen():
        webbrowser.open(link)
    say(link)


def _has_screen() -> bool:
    """Return whether a user sits here at a screen on which a browser can appear."""
    if sys.platform in {"darwin", "win32"}:
        return "SSH_CONNECTION" not in os.environ
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
