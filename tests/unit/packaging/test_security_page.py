"""What docs/security.md says how much there is of, as the code has it."""

from __future__ import annotations

import pytest

from headrace_coordinator.coordinator import LEAST_HTTP_DESCRIPTORS, MOST_HTTP_DESCRIPTORS
from headrace_coordinator.coordinator import OWN_HTTP_DESCRIPTORS as HTTP_ITSELF
from headrace_coordinator.monitoring import http, http_request
from headrace_coordinator.web import body, hosting, presenter, sessions, stream
from headrace_services import presenting
from headrace_wire import connection, descriptors, framing, key_book, meter, open_files, refusal_log
from support.places import REPOSITORY

MIB = 1 << 20

SECURITY = (REPOSITORY / "docs" / "security.md").read_text()

PATIENT, HURRIED = meter.PATIENT, meter.HURRIED


def _kib(count: float) -> int:
    return int(count) // 1024


@pytest.mark.parametrize(
    "said",
    [
        f"| a handshake | {connection.HANDSHAKE_SECONDS:.0f} seconds in all |",
        f"| a frame in a handshake | {_kib(framing.MAX_HANDSHAKE_FRAME_BYTES)} KiB |",
        f"| a frame | {framing.MAX_FRAME_BYTES // MIB} MiB,",
        f"| pending | a quarter of the free descriptors, at most {descriptors.MOST_PENDING:,} |",
        f"the rest of them, at most {descriptors.MOST_CONNECTIONS:,}; a quarter of these is for",
        f"at most {open_files.MOST_FILES:,}, without {descriptors.OWN_DESCRIPTORS} for the",
        f"an eighth, {LEAST_HTTP_DESCRIPTORS} to {MOST_HTTP_DESCRIPTORS}, for HTTP",
        f"Beyond {refusal_log.MOST_ADDRESSES} addresses within a minute",
        f"moves for {PATIENT.stall_seconds:.0f} seconds, or when it was slower than",
        f"{_kib(PATIENT.floor)} KiB/s in all after {PATIENT.grace_seconds:.0f} seconds |",
        f"| {HURRIED.stall_seconds:.0f} seconds; {_kib(HURRIED.floor)} KiB/s after",
        f"| connections | {MOST_HTTP_DESCRIPTORS - HTTP_ITSELF}, or fewer where few files may",
        f"| {http.NEW_GUESTS_PER_SECOND} a second in all; more wait for their turn |",
        f"| {stream.MAX_STREAMS}, {stream.MAX_STREAMS_OF_KEY} of one key |",
        f"| a request and its answer | {hosting.REQUEST_SECONDS:.0f} seconds in all",
        f"| a connection of the page without a request | {hosting.IDLE_SECONDS} seconds |",
        f"| {_kib(http_request.MAX_LINE_BYTES)} KiB in the first line of a connection,",
        f"{_kib(http_request.MAX_HEAD_BYTES)} KiB with its headers,",
        f"{body.MAX_BODY_BYTES // MIB} MiB in its body |",
        f"further ones wait for {presenter.TURN_SECONDS:.0f} seconds",
        f"may take {presenting.MEMORY_BYTES >> 30} GiB of memory",
        f"{presenting.CPU_SECONDS // 60} minutes of processor time",
    ],
)  # fmt: skip
def test_the_limits_are_those_that_hold(said: str) -> None:
    assert said in " ".join(SECURITY.split())


def test_a_session_of_the_page_ends_after_a_week() -> None:
    assert sessions.SESSION_SECONDS == 7 * 24 * 60 * 60
    assert "ends after a week" in " ".join(SECURITY.split())


def test_names_of_revoked_keys_are_remembered() -> None:
    commands = (REPOSITORY / "docs" / "commands.md").read_text()
    assert f"The last {key_book.MAX_REVOKED_NAMES:,} names are remembered" in commands
