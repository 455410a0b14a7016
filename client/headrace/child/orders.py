"""What a child of an embedded cluster is told, as one argument."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from headrace_services.permits import Permits
from headrace_wire.engines import EngineChoice
from headrace_worker.launch.start_methods import DEFAULT_METHOD
from headrace_worker.link.program import Program


class Order(msgspec.Struct, frozen=True):
    """The cluster's folder, in which the key lies; the rest is for the worker alone.

    See ``WorkerSettings`` for its words. The worker starts before it is known where the
    coordinator is: it reads that from standard input, as one line.
    """

    folder: str
    #: Where the coordinator serves.
    address: str = "127.0.0.1:0"
    slots: str = "auto"
    start_method: str = DEFAULT_METHOD
    max_tasks: int | None = None
    permits: Permits = Permits()
    program: Program | None = None
    #: Tasks print where the program does, and so does the worker when something is wrong.
    show_output: bool = False
    engine: EngineChoice = EngineChoice()

    @property
    def log_file(self) -> Path:
        """What the children have to say, where nobody else hears it."""
        return Path(self.folder, "log")

    @property
    def end_file(self) -> Path:
        """Why the worker has ended, if it could not work."""
        return Path(self.folder, "end")

    @property
    def key_file(self) -> Path:
        return Path(self.folder, "key")

    def write(self) -> str:
        """Write it as an argument."""
        # Not as msgspec's own JSON: the names of folders may be no text.
        return json.dumps(msgspec.to_builtins(self))

    @classmethod
    def read(cls, text: str) -> Order:
        """Read what ``write`` has written."""
        order: Any = json.loads(text)
        return msgspec.convert(order, cls)
