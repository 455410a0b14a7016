"""Certificates of one's own, on both sides."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_wire.api import JobQueueApi
from headrace_wire.busy import Tries
from headrace_wire.encryption import Encryption, choose_encryption
from headrace_wire.errors import (
    BusyError,
    KeyRefusedError,
    NotAllowedError,
    UsageError,
)
from headrace_wire.keyring import derive_key
from headrace_wire.manager import QueueManager
from headrace_wire.roles import ADMIN, Holder
from headrace_wire.tls import ServerTls
from support.certificates import Authority
from support.commands import wait_until
from support.wire_server import KEY, Served, serve


class Place:
    """A server that wants certificates, and those who sign them."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.other = Authority(folder), Authority(folder, "other")
        self.server = self.authority.sign("coordinator", host="localhost")
        self.elsewhere = self.authority.sign("elsewhere", host="example.org")
        self.tls = ServerTls(self.server, self.server, self.authority.path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def served(place: Place) -> Iterator[Served]:
    with serve(tls=place.tls) as served:
        yield served


def call(served: Served, encryption: Encryption) -> None:
    address = served.address._replace(host="localhost")
    for ask in (ask_in_a_thread, ask_in_a_loop):
        ask(QueueManager(address, KEY, encryption=encryption))


def ask_in_a_thread(manager: QueueManager) -> None:
    try:
        manager.jobs().info()
    finally:
        manager.close()


def ask_in_a_loop(manager: QueueManager) -> None:
    async def ask() -> None:
        caller = manager.async_jobs()
        try:
            await caller.call(JobQueueApi.info)
        finally:
            caller.close()

    asyncio.run(ask())


def lease(served: Served, encryption: Encryption, key: bytes = KEY) -> None:
    """Do what is for workers alone."""
    address = served.address._replace(host="localhost")
    manager = QueueManager(address, key, encryption=encryption)
    try:
        manager.jobs().leave("worker")
    finally:
        manager.close()


def test_who_shows_a_certificate_has_its_role(place: Place, served: Served) -> None:
    for role in ("client", "worker"):
        path = place.authority.sign("ann", role, add=role)
        encryption = choose_encryption("auto", path, authority=place.authority.path)
        assert encryption.mode == "on"
        call(served, encryption)
        if role == "worker":
            lease(served, encryption)
        else:
            said = r"this certificate \(ann\) has role client; name another .* and --tls-key"
            with pytest.raises(NotAllowedError, match=f"{said}$"):
                lease(served, encryption)
            with pytest.raises(NotAllowedError, match=f"{said}, and name another key file$"):
                lease(served, encryption, derive_key(KEY, "client"))


def test_a_key_that_is_revoked_is_that_of_the_connection_whatever_the_certificate_says(
    place: Place,
) -> None:
    encryption = choose_encryption("on", place.authority.sign("cas", "client"))
    asked: list[Holder] = []

    def note(holder: Holder) -> bool:
        asked.append(holder)
        return False

    with serve(tls=place.tls) as served:
        manager = QueueManager(served.address, KEY, encryption=encryption)
        jobs = manager.jobs()
        jobs.info()
        served.loop.call_soon_threadsafe(served.server.end_others, note)
        wait_until(lambda: asked)
        assert [holder.role for holder in asked] == [ADMIN]
        manager.close()


def test_who_shows_none_or_another_authoritys_is_refused_at_once(
    place: Place, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Tries, "find_pause")  # nobody tries again
    stranger = place.other.sign("stranger", "client")
    with pytest.raises(KeyRefusedError, match=r"wants a certificate .*--tls-cert"):
        call(served, Encryption("on"))
    shown = choose_encryption("on", stranger, authority=place.authority.path)
    address = served.address._replace(host="localhost")
    why = f"does not accept the certificate {stranger} (unable to get local issuer certificate): "
    for ask in (ask_in_a_thread, ask_in_a_loop):
        with pytest.raises(KeyRefusedError, match=re.escape(why)):
            ask(QueueManager(address, KEY, encryption=shown))
        with pytest.raises(KeyRefusedError, match=r"and none was shown"):  # it is said once
            ask(QueueManager(address, KEY, encryption=Encryption("on")))


def test_who_is_not_heard_out_is_told_of_the_certificate_that_was_shown() -> None:
    shown = Encryption("on", certificate="mine.pem")
    error = shown.explain(("host", 1), ConnectionResetError())
    assert isinstance(error, BusyError)
    assert "does not accept the certificate mine.pem" in error.message
    for how in (Encryption("on"), Encryption("off")):
        assert "certificate" not in how.explain(("host", 1), ConnectionResetError()).message


def test_a_certificate_without_a_role_is_told_so(place: Place, served: Served) -> None:
    nobody = place.authority.sign("nobody")
    with pytest.raises(KeyRefusedError, match="names no role"):
        call(served, choose_encryption("on", nobody))


def test_a_coordinator_is_trusted_by_its_authority_and_its_name(
    place: Place, served: Served
) -> None:
    path = place.authority.sign("bob", "client")
    with pytest.raises(KeyRefusedError, match=r"is not accepted here: .*--tls-ca"):
        call(served, choose_encryption("on", path, authority=place.other.path))
    with serve(tls=ServerTls(place.elsewhere, place.elsewhere)) as named_otherwise:
        with pytest.raises(KeyRefusedError, match="Hostname mismatch"):
            call(named_otherwise, choose_encryption("on", authority=place.authority.path))
        call(named_otherwise, Encryption("on"))


def test_files_that_make_no_sense_are_told_in_one_line(place: Place, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    for arguments in (("auto", None, missing), ("off", missing), ("off", None, None, missing)):
        with pytest.raises(UsageError, match="--tls"):
            choose_encryption(*arguments)
    for arguments in (("on", missing), ("on", None, None, missing)):
        with pytest.raises(UsageError, match="No such file"):
            choose_encryption(*arguments).make_context()
    with pytest.raises(UsageError, match="No such file"):
        ServerTls(place.server, place.server, missing)
