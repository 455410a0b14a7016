"""What is said where there is no coordinator or worker, another key, or an address in use."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from support.commands import Shell, Site, open_site, start_coordinator
from support.probe.headrace_probe import plan

if TYPE_CHECKING:
    from pathlib import Path

# They share a site: one process makes it for all of them.
pytestmark = pytest.mark.xdist_group("missing_peers")


def test_without_a_coordinator_the_address_and_the_remedy_are_named(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key_file = shell.home / "key"  # named, or it might be that a coordinator is about to start
    named = ("--coordinator", f"127.0.0.1:{port}", "--key-file", str(key_file))
    done = shell.run("submit", "primes", "count", "0", "9", *named)
    assert done.code == 69
    assert f"127.0.0.1:{port}" in done.err
    assert "headrace coordinator" in done.err
    assert done.err.count("\n") == 1


def test_another_key_is_refused(site: Site, tmp_path: Path) -> None:
    wrong = tmp_path / "key"
    wrong.write_text(os.urandom(32).hex())
    wrong.chmod(0o600)
    for words in (("jobs",), ("worker",)):
        done = site.shell.run(*words, "--key-file", wrong)
        assert done.code == 77
        assert "another key" in done.err


def test_a_service_that_no_worker_offers_is_refused_at_once(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        plain = Shell(site.shell.home, {**site.shell.settings, "PYTHONPATH": ""})
        site.shell = plain
        site.add_worker("--slots", "1")
        with (
            site.open_cluster() as cluster,
            pytest.raises(Exception, match="no connected worker offers the service 'probe'"),
        ):
            cluster.submit("probe", plan(1))


def test_a_job_waits_for_a_worker_and_says_so(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        done = site.shell.run("submit", "primes", "count", "0", "100", "--wait", "1500ms")
        assert done.code == 124
        assert "no worker is connected" in done.err


def test_on_one_machine_nothing_is_configured(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = shell.home / ".local" / "state" / "headrace"
    coordinator = start_coordinator(shell, data, port, "--no-http")
    try:
        assert (data / "key").stat().st_mode & 0o777 == 0o600
        assert shell.run("health", "--coordinator", f"127.0.0.1:{port}").code == 0
        second = shell.run("coordinator", "--bind", "127.0.0.1:0", "--no-http")
        assert second.code == 69
        assert "another coordinator uses" in second.err
    finally:
        assert coordinator.stop() == 0


def test_an_address_in_use_is_one_line(site: Site, tmp_path: Path) -> None:
    words = ("coordinator", "--bind", site.address, "--data", tmp_path / "other", "--no-http")
    done = site.shell.run(*words)
    assert done.code == 2
    assert site.address in done.err
    assert done.err.count("\n") == 1
