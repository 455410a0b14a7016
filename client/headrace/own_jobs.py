"""The jobs that were submitted from here, and where their files must be written.

What the coordinator returns about a job may come from anybody with a key; this does not.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from headrace.state_files import StateFiles
from headrace_services.service import Outputs

_JOBS = StateFiles("jobs")


class _Kept(Struct, frozen=True):
    """What is stored about a job."""

    folder: str
    names: list[str]
    single: bool


def remember(job_id: str, outputs: Outputs) -> None:
    """Store a job that has just been submitted. Raises OSError."""
    kept = _Kept(str(outputs.folder.absolute()), [*outputs.names], outputs.single)
    _JOBS.write(job_id, asdict(kept))


def recall(job_id: str) -> Outputs | None:
    """Return where the files of a job must be written; None if it was not submitted from here."""
    kept = _JOBS.read(job_id, _Kept)
    return None if kept is None else Outputs(Path(kept.folder), kept.names, kept.single)


def forget(job_id: str) -> None:
    """Delete a job whose results have been fetched."""
    _JOBS.forget(job_id)
