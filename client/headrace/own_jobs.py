"""The jobs that were submitted from here, and where their files are to go.

What the coordinator says of a job may come from anybody who holds the key; this does not.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from headrace.memory import Memory
from headrace_services.service import Outputs

_JOBS = Memory("jobs")


class _Kept(Struct, frozen=True):
    """What is remembered of a job."""

    folder: str
    names: list[str]
    single: bool


def remember(job_id: str, outputs: Outputs) -> None:
    """Take note of a job that was submitted just now. Raises OSError."""
    kept = _Kept(str(outputs.folder.absolute()), [*outputs.names], outputs.single)
    _JOBS.write(job_id, asdict(kept))


def recall(job_id: str) -> Outputs | None:
    """Where the files of a job are to go that was submitted from here; None for any other."""
    kept = _JOBS.read(job_id, _Kept)
    return None if kept is None else Outputs(Path(kept.folder), kept.names, kept.single)


def forget(job_id: str) -> None:
    """Forget a job whose results are here."""
    _JOBS.forget(job_id)
