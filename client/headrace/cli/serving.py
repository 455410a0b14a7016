"""``headrace coordinator``. It does not import anything that only clients need."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.kinds import (
    DURATION,
    LEASE_TIME,
    SIZE,
    TIME_LIMIT,
    AddressKind,
    KeyFileKind,
    PathKind,
    WordKind,
    write_duration,
    write_size,
)
from headrace.cli.options import (
    log_options,
    make_file_option,
    option,
    refuse_both,
)
from headrace.cli.printing import say, tell
from headrace.data_folder import find_data_folder, find_key_file
from headrace_coordinator.queue.rules import (
    DEFAULT_HISTORY_SECONDS,
    DEFAULT_LEASE_SECONDS,
    DEFAULT_RESULT_TTL_SECONDS,
    DEFAULT_SHARED_LIMIT_BYTES,
)
from headrace_wire.address import DEFAULT_HTTP_PORT, DEFAULT_PORT, Address
from headrace_wire.encryption import TLS_MODES, TlsMode
from headrace_wire.log_format import choose_log_format, start_logging

if TYPE_CHECKING:
    from headrace_coordinator.store.store import Durability

#: The options about HTTP, apart from --no-http.
ABOUT_HTTP = (
    *("http", "http_open", "http_tls", "http_cert", "http_key"),
    *("token_file", "print_link"),
)


@click.command()
@option(
    "--bind",
    type=AddressKind(DEFAULT_PORT),
    default=f"127.0.0.1:{DEFAULT_PORT}",
    show_default=True,
    help="Where to serve the queues; 0.0.0.0:7333 for all addresses, unix:PATH for a Unix socket.",
)
@option(
    "--http",
    type=AddressKind(DEFAULT_HTTP_PORT, unix=False),
    default=f"127.0.0.1:{DEFAULT_HTTP_PORT}",
    show_default=True,
    help="Where to serve the page, /metrics, /healthz and /readyz.",
)
@option("--no-http", is_flag=True, help="Do not serve HTTP.")
@option(
    "--http-open",
    is_flag=True,
    help="Show /metrics to everybody who can connect; otherwise it requires a token, except "
    "on loopback.",
)
@option("--http-tls", is_flag=True, help="Encrypt HTTP, with the certificate of the queues.")
@make_file_option("--http-cert", "Encrypt HTTP with this certificate, in PEM.")
@make_file_option("--http-key", "Its private key, if that is in another file.")
@option(
    "--token-file",
    type=PathKind(path_type=Path, dir_okay=False),
    show_default="only observer.key beside the key has it",
    help="Also write the token for /metrics here; everybody with access to the folder can read it.",
)
@option(
    "--data",
    type=PathKind(path_type=Path, file_okay=False),
    default=find_data_folder,
    show_default="the user's state folder",
    help="Folder of the store.",
)
@option(
    "--key-file",
    type=KeyFileKind(),
    show_default="key in the data folder",
    help="The coordinator's key, which is made at the first start.",
)
@option(
    "--tls",
    type=WordKind(TLS_MODES),
    default="auto",
    show_default=True,
    help="Encrypt connections: if other machines can connect (auto), always, or never.",
)
@make_file_option("--tls-cert", "Certificate in PEM, instead of the coordinator's own.")
@make_file_option("--tls-key", "Its private key, if that is in another file.")
@make_file_option(
    "--tls-ca", "Certificates of the authorities that sign those of clients and workers, in PEM."
)
@option(
    "--lease",
    type=LEASE_TIME,
    default=write_duration(DEFAULT_LEASE_SECONDS),
    show_default=True,
    help="How long a worker may be silent before its tasks are given to others.",
)
@option(
    "--durability",
    type=WordKind(["process", "power"]),
    default="process",
    show_default=True,
    help="What acknowledged data survive: the end of any process, or also a power cut.",
)
@option(
    "--spool-limit",
    type=SIZE,
    show_default="80 % of what the disk has free",
    help="How much of inputs and results to keep; with more, submit and tasks wait.",
)
@option(
    "--shared-limit",
    type=SIZE,
    default=write_size(DEFAULT_SHARED_LIMIT_BYTES),
    show_default=True,
    help="How much shared state to keep in memory; more is refused.",
)
@option(
    "--result-ttl",
    type=TIME_LIMIT,
    default=write_duration(DEFAULT_RESULT_TTL_SECONDS),
    show_default=True,
    help="How long after its end, or after its results were last fetched, a job expires.",
)
@option(
    "--history",
    type=DURATION,
    default=write_duration(DEFAULT_HISTORY_SECONDS),
    show_default=True,
    help="How long after its end the summary of an expired job is kept; 0 for none.",
)
@option(
    "--role-keys",
    type=PathKind(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write the key of each role to a subfolder of its name in this folder.",
)
@option(
    "--private-jobs",
    is_flag=True,
    help="Show a client only the jobs that were submitted with its key.",
)
@log_options
@option(
    "--print-link",
    is_flag=True,
    help="Print a link to the page; on a terminal it is always printed.",
)
@option("--announce", is_flag=True, hidden=True, help="Print the bound addresses as JSON.")
def coordinator(
    bind: Address,
    http: Address,
    no_http: bool,
    http_open: bool,
    http_tls: bool,
    http_cert: Path | None,
    http_key: Path | None,
    token_file: Path | None,
    data: Path,
    key_file: Path | None,
    tls: TlsMode,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_ca: Path | None,
    lease: float,
    durability: Durability,
    spool_limit: int | None,
    shared_limit: int,
    result_ttl: float,
    history: float,
    role_keys: Path | None,
    private_jobs: bool,
    log_level: str,
    log_format: str,
    print_link: bool,
    announce: bool,
) -> None:
    """Serve the job queue, the result queue and shared state until SIGTERM, SIGHUP or Ctrl-C.

    Everything that was acknowledged is in the data folder and survives a restart.
    """
    from headrace_coordinator.coordinator import Coordinator  # noqa: PLC0415 - quick start
    from headrace_coordinator.serve import serve  # noqa: PLC0415 - quick start
    from headrace_coordinator.settings import CoordinatorSettings  # noqa: PLC0415 - quick start

    for name in ABOUT_HTTP:
        refuse_both("no_http", name)
    written = choose_log_format(log_format)
    start_logging(log_level, written)
    settings = CoordinatorSettings(
        data=data,
        key_file=key_file or find_key_file(data),
        bind=bind,
        tls=tls,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_ca=tls_ca,
        http=None if no_http else http,
        http_open=http_open,
        http_tls=http_tls,
        http_cert=http_cert,
        http_key=http_key,
        token_file=token_file,
        lease_seconds=lease,
        durability=durability,
        spool_limit_bytes=spool_limit,
        shared_limit_bytes=shared_limit,
        result_ttl_seconds=result_ttl,
        history_seconds=history,
        private_jobs=private_jobs,
        role_keys=role_keys,
    )

    def show(running: Coordinator) -> None:
        if announce:
            shown = {"address": str(running.bound), "http": str(running.http_bound or "")}
            say(json.dumps(shown))
        elif print_link and (link := running.make_page_link()):
            say(link)
        elif written == "text" and sys.stderr.isatty() and (link := running.make_page_link()):
            # It is not logged, because readers of the log may not be allowed to see the page.
            tell(f"headrace coordinator: the page is at {link}")

    serve(settings, show)
