"""What a child process of an embedded cluster must do, passed as one argument."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from headrace_services.permits import Permits
from headrace_wire.address import parse_address
from headrace_wire.engines import EngineChoice
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.link.program import Program


class Order(msgspec.Struct, frozen=True):
    """The cluster's folder, which contains the key, and settings, which are only for the worker.

    See ``WorkerSettings`` for their meaning. The worker starts before the coordinator's address is
    known: it reads that as one line from standard input.
    """

    folder: str
    #: Where the coordinator serves.
    address: str = "127.0.0.1:0"
    slots: str = "auto"
    start_method: str = DEFAULT_METHOD
    max_tasks: int | None = None
    permits: Permits = Permits()
    program: Program | None = None
    #: Whether tasks print where the program does; the worker then logs errors there, too.
    show_output: bool = False
    engine: EngineChoice = EngineChoice()

    @property
    def log_file(self) -> Path:
        """Where the children log, unless it is shown."""
        return Path(self.folder, "log")

    @property
    def end_file(self) -> Path:
        """Where the worker writes why it has ended, if it could not work."""
        return Path(self.folder, "end")

    @property
    def short_folder(self) -> str:
        """The folder of the coordinator's socket, whose path is short; "" if it has no socket."""
        address = parse_address(self.address)
        return str(Path(address.host).parent) if address.is_unix else ""

    @property
    def key_file(self) -> Path:
        return Path(self.folder, "key")

    def write(self) -> str:
        """Return this as an argument."""
        # It is not msgspec's own JSON, because names of folders may contain bytes that are not
        # text.
        return json.dumps(msgspec.to_builtins(self))

    @classmethod
    def read(cls, text: str) -> Order:
        """Read an argument that ``write`` has returned."""
        order: Any = json.loads(text)
        return msgspec.convert(order, cls)
