"""A cluster with a page: its tasks, and how a browser is logged in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from support.commands import Site

#: The module of the tasks, which wait and fail by files in a folder.
FUNCTIONS = """
import pathlib, time
import headrace

FOLDER = pathlib.Path({folder!r})

def step(number):
    while not (FOLDER / f"go-{{number}}").exists():
        time.sleep(0.02)
    print(f"step {{number}} is taken")
    if number == 3 and not (FOLDER / "mended").exists():
        raise ValueError("no luck with <b>3</b>")
    return number

def wait(number):
    while not (FOLDER / "never").exists():
        time.sleep(0.02)

def long(number):
    headrace.current_task().counter("c" * 64).add(1e30)
    if number == 0:
        return number
    raise ValueError("x" * 5000)

def fail(number):
    said = f"{{number}} \\x1b[2J\\u202etxt.exe"
    print(said)
    raise LookupError(said)
"""

#: What is shown of an error's text that would turn its line around.
SHOWN = r"\x1b[2J\u202etxt.exe"

#: A name that would be a script if it were not escaped.
HOSTILE = "<img src=x onerror=alert(1)>'\"&"


def find_url(site: Site) -> str:
    line = site.coordinator.wait_for("metrics at")
    found = re.search(r"http://[^/]+", line)
    assert found
    return found[0]


def log_in(site: Site, page: Page, role: str = "client", path: str = "/") -> None:
    token = (site.data / f"{role}.key").read_text().strip()
    page.goto(f"{find_url(site)}{path}?token={token}")
    expect(page).not_to_have_url(re.compile("token"))


def submit_map(site: Site, function: str, name: str, *options: str) -> str:
    run = site.shell.run(
        "submit", "map", f"steps:{function}", site.shell.home / "numbers.jsonl",
        "--detach", "--name", name, *options,
    )  # fmt: skip
    assert run.code == 0, run.err
    return run.out.strip()
