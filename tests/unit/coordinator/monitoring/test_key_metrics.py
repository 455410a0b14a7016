"""How old keys are, and when a certificate expires."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from headrace_coordinator.certificate import UNTIL, choose_tls, ensure_certificate, list_given
from headrace_coordinator.monitoring.key_metrics import KeyCollector
from headrace_coordinator.settings import CoordinatorSettings
from headrace_wire.address import Address
from headrace_wire.key import ensure_key
from headrace_wire.key_book import find_book, make_named_key, revoke_key
from headrace_wire.live_keys import LiveKeys
from headrace_wire.roles import CLIENT
from headrace_wire.tls import read_certificate

DAY = 86_400.0


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    ensure_key(path)
    LiveKeys(path)  # as a coordinator does at its start
    os.utime(path, (0, time.time() - 3 * DAY))
    return path


def read(key_file: Path, **certificates: bytes) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(KeyCollector(key_file, certificates))
    return registry


def find_age(registry: CollectorRegistry, key: str) -> float | None:
    return registry.get_sample_value("headrace_key_age_seconds", {"key": key})


def test_the_own_key_and_the_oldest_named_one_have_an_age(key_file: Path) -> None:
    registry = read(key_file)
    assert find_age(registry, "own") == pytest.approx(3 * DAY, abs=60)
    assert find_age(registry, "named") is None
    make_named_key(key_file, "anna", CLIENT)
    assert find_age(registry, "named") == pytest.approx(0, abs=60)
    revoke_key(key_file, "anna")
    assert find_age(registry, "named") is None


def test_keys_that_cannot_be_read_are_what_they_were(key_file: Path) -> None:
    make_named_key(key_file, "anna", CLIENT)
    registry = read(key_file)
    assert find_age(registry, "named") is not None
    find_book(key_file).write_text("damaged")
    assert find_age(registry, "named") is not None
    key_file.unlink()
    assert find_age(registry, "own") is None


def test_a_certificate_that_was_given_has_an_end(key_file: Path, tmp_path: Path) -> None:
    name = "headrace_certificate_expiry_timestamp_seconds"
    labels = {"certificate": "http"}
    assert read(key_file).get_sample_value(name, labels) is None
    certificate = read_certificate(ensure_certificate(tmp_path))
    assert read(key_file, http=certificate).get_sample_value(name, labels) == UNTIL.timestamp()


def test_certificates_that_were_given_are_told_from_those_that_were_made(tmp_path: Path) -> None:
    given = ensure_certificate(tmp_path)
    here = Address("127.0.0.1", 0)

    def find(**settings: Any) -> set[str]:
        chosen = CoordinatorSettings(tmp_path, tmp_path / "key", **settings)
        return set(list_given(chosen, choose_tls(chosen, here)))

    assert find() == find(tls="on", http_tls=True) == set()
    assert find(tls_cert=given) == {"queues"}
    assert find(tls_cert=given, http_tls=True) == {"queues", "http"}
    assert find(http_cert=given) == {"http"}
