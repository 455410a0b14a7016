"""Keys of people and machines, from the command line to a coordinator that runs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.cluster import Cluster
from headrace.executor import Executor
from headrace_wire.address import Address
from headrace_wire.errors import (
    EXIT_KEY_REFUSED,
    EXIT_OK,
    EXIT_USAGE,
    KeyRefusedError,
    NotAllowedError,
)
from headrace_wire.key import load_key
from support.commands import Shell, Site, open_site


def connect(site: Site, key: Path) -> Cluster:
    return Cluster(Address("127.0.0.1", site.port), load_key(key))


def test_a_key_for_a_worker_is_made_before_the_coordinators_first_start(tmp_path: Path) -> None:
    # The folder that `open_site` gives its coordinator.
    data = tmp_path / "data"
    shell = Shell(tmp_path)
    for _ in range(2):  # what is there stays
        made = shell.run("keys", "init", "--data", data)
        assert (made.code, made.err.count("\n")) == (EXIT_OK, 1)
    assert stat.S_IMODE((data / "key").stat().st_mode) == 0o600
    key = tmp_path / "laboratory.key"
    new = ("keys", "new", "laboratory", "--role", "worker", "-o", key)
    assert shell.run(*new, "--data", data).code == EXIT_OK
    with open_site(tmp_path, workers=0) as site:
        site.add_worker("--key-file", str(key))
        refused = site.shell.run("jobs", "--key-file", key)
        assert refused.code == EXIT_KEY_REFUSED


def test_a_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    shell, link = Shell(tmp_path), tmp_path / "link.key"
    assert shell.run("keys", "init", "--data", tmp_path / "data").code == EXIT_OK
    link.symlink_to(tmp_path / "nowhere" / "key")
    refused = shell.run("keys", "new", "alice", "-o", link, "--data", tmp_path / "data")
    assert "is a link, which is not followed" in refused.err
    assert (refused.code, refused.err.count("\n")) == (EXIT_USAGE, 1)


@pytest.fixture
def no_umask() -> Iterator[None]:
    """As for a user whose files are for everybody, if nothing else is said."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_keys_are_given_and_taken_back_while_jobs_go_on(tmp_path: Path) -> None:
    with open_site(tmp_path, workers=0) as site:
        run, data, alice = site.shell.run, site.data, tmp_path / "alice.key"
        site.add_worker("--key-file", str(data / "worker.key"))

        made = run("keys", "new", "alice", "-o", alice, "--data", data)
        assert (made.code, made.out) == (EXIT_OK, "")
        assert stat.S_IMODE(alice.stat().st_mode) == 0o600
        shown = run("keys", "list", "--data", data, "--json").json()
        assert ("alice", "client") in [(row["name"], row["role"]) for row in shown]
        assert alice.read_text().strip() not in str(shown)

        refused = run("submit", "primes", "count", "0", "9", "--key-file", data / "observer.key")
        assert (refused.code, refused.err.count("\n")) == (EXIT_KEY_REFUSED, 1)
        assert "'submit', which is for role admin or client: this key (observer)" in refused.err
        refused = run("jobs", "--key-file", data / "worker.key")
        assert (refused.code, refused.err.count("\n")) == (EXIT_KEY_REFUSED, 1)
        assert "which is for role admin, client or observer: this key (worker)" in refused.err

        with Executor(f"127.0.0.1:{site.port}", key_file=data / "observer.key") as executor:
            for _ in range(2):  # whether it is known before or after it is submitted
                with pytest.raises(NotAllowedError, match="observer"):
                    executor.submit(abs, -1).result()

        submitted = run("submit", "primes", "count", "0", "1e6", "--json", "--key-file", alice)
        assert submitted.code == EXIT_OK
        with connect(site, data / "observer.key") as observer:
            (job,) = observer.jobs()
            assert (job.state, job.submitted_by) == ("succeeded", "alice")
            with pytest.raises(NotAllowedError, match="observer"):
                observer.job(job.id).cancel()

        with connect(site, alice) as old, connect(site, data / "key") as admin:
            assert run("keys", "rotate", "--data", data).code == EXIT_OK
            assert old.jobs() == admin.jobs()
            with connect(site, data / "key") as renewed:
                assert len(renewed.workers()) == 1
            assert run("keys", "revoke", "previous", "--data", data).code == EXIT_OK
            assert site.workers[0].wait() == EXIT_KEY_REFUSED
            site.coordinator.wait_for("its key worker was revoked")
            with pytest.raises(KeyRefusedError):
                admin.jobs()
            assert old.jobs()
            run("keys", "revoke", "alice", "--data", data)
            site.coordinator.wait_for("its key alice was revoked")
            with pytest.raises(KeyRefusedError):
                old.jobs()

        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in data.iterdir()} == {0o600}
        lines = (data / "audit.log").read_text().splitlines()
        for start, end in (
            ("alice (client) at 127.0.0.1:", f": submit {job.id}"),
            ("observer (observer) at 127.0.0.1:", " was refused: cancel"),
            ("of this machine: made key alice (client)", ""),
            ("of this machine: rotated the coordinator's key", ""),
            ("of this machine: revoked key alice", ""),
        ):
            assert any(start in line and line.endswith(end) for line in lines), (start, lines)
        assert not any("was refused: delete" in line for line in lines), "nothing was submitted"
