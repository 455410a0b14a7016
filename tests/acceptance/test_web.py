"""The page from the command line: links, and who may what with them."""

from __future__ import annotations

import os
import pty
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from headrace_wire.errors import EXIT_KEY_REFUSED, EXIT_USAGE
from support.commands import Site, open_site

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("web")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("web"), "--http", "127.0.0.1:0", workers=0) as site:
        yield site


def open_page(link: str) -> httpx.Response:
    with httpx.Client(follow_redirects=True) as browser:
        answer = browser.get(link)
        assert "token" not in str(answer.url)
        return answer


@pytest.mark.parametrize(
    ("key", "options", "role"),
    [
        ("key", (), "admin"),
        ("client.key", (), "client"),
        ("client.key", ("--observer",), "observer"),
        ("observer.key", (), "observer"),
    ],
)
def test_a_link_lets_its_holder_do_what_the_key_does(
    site: Site, key: str, options: tuple[str, ...], role: str
) -> None:
    done = site.shell.run("web", "--no-browser", "--key-file", site.data / key, *options)
    assert (done.code, done.err) == (0, "")
    assert (site.data / key).read_text().strip() not in done.out
    assert f'data-role="{role}"' in open_page(done.out.strip()).text


def test_a_key_that_the_page_refuses_makes_no_link(site: Site) -> None:
    done = site.shell.run("web", "--no-browser", "--key-file", site.data / "worker.key")
    assert (done.code, done.out, done.err.count("\n")) == (EXIT_KEY_REFUSED, "", 1)
    assert "this key (worker) has role worker" in done.err


def test_where_no_page_is_served_that_is_said(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        done = site.shell.run("web")
    assert done.code == EXIT_USAGE
    assert "serves no page" in done.err


def test_a_coordinator_prints_a_link_where_that_is_asked_for(site: Site, tmp_path: Path) -> None:
    words = ("coordinator", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", tmp_path)
    process = site.shell.start(*words, "--print-link", "--key-file", tmp_path / "key")
    try:
        assert process.stdout
        link = process.stdout.readline().strip()
        assert 'data-role="observer"' in open_page(link).text
    finally:
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert "token=" not in log


def test_on_a_terminal_the_link_is_shown(site: Site, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    words = ("coordinator", "--bind", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", tmp_path)
    process = site.shell.start(*words, "--key-file", tmp_path / "key", stderr=slave)
    try:
        shown = ""
        while "?token=" not in shown or not shown.endswith("\n"):
            shown += os.read(master, 1 << 16).decode()
        link = next(line for line in shown.splitlines() if "?token=" in line).split("page is at ")[
            1
        ]
        assert 'data-role="observer"' in open_page(link).text
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        os.close(slave)
        os.close(master)


def test_the_page_is_told_of_without_a_token(site: Site) -> None:
    page = site.shell.run("health", "--json").json()
    assert "token" not in str(page)
    with urllib.request.urlopen(site.coordinator.wait_for("metrics at").split("at ")[1]) as answer:
        assert answer.status == 200
