"""Starts and removes workers, with Docker Compose or with a command of the user."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from headrace.scaling.commands import CommandFailedError, run_command
from headrace.scaling.decision import Candidate
from headrace_wire.bounds import quote
from headrace_wire.errors import UsageError

#: The placeholder for the number of workers in a command.
PLACE = "{workers}"

#: How many characters of a container's id its host name has.
HOST_CHARACTERS = 12


class Fleet(Protocol):
    """Machines or containers with a worker on each. The methods raise CommandFailedError."""

    def choose_ours(self, workers: Sequence[Candidate]) -> list[Candidate]:
        """Return the workers that may be counted and removed."""
        ...

    def prepare(self, leaving: Sequence[Candidate]) -> None:
        """Ensure that these workers are not started again once they are drained."""
        ...

    def resize(self, workers: int, gone: Sequence[Candidate]) -> None:
        """Change the number of workers. Those in ``gone`` have been drained and have ended."""
        ...


class CommandFleet:
    """Runs a command that contains the wanted number; an environment variable names drained
    workers.

    ``only`` is a pattern, as for file names, for the names or hosts of our workers.
    """

    def __init__(self, command: str, seconds: float, only: str = "*") -> None:
        self._command = command
        self._seconds = seconds
        self._only = only

    def choose_ours(self, workers: Sequence[Candidate]) -> list[Candidate]:
        return choose_matching(workers, self._only)

    def prepare(self, leaving: Sequence[Candidate]) -> None:
        """Do nothing: whoever starts the machines decides what happens when a worker ends."""

    def resize(self, workers: int, gone: Sequence[Candidate]) -> None:
        settings = {
            "HEADRACE_WORKERS": str(workers),
            "HEADRACE_DRAINED": "\n".join(worker.name for worker in gone),
            "HEADRACE_DRAINED_HOSTS": "\n".join(worker.host for worker in gone),
        }
        run_command(self._command.replace(PLACE, str(workers)), self._seconds, settings)


class ComposeFleet:
    """The containers of a service of Docker Compose, in the current folder's project.

    To reduce the number of containers, Compose removes those with the highest numbers, whether they
    are drained or not. So drained containers are removed individually, by the host names of their
    workers, which are the ids of the containers.
    """

    def __init__(self, service: str, seconds: float, only: str = "*") -> None:
        self._service = service
        self._seconds = seconds
        self._only = only

    def check(self) -> None:
        """Raise UsageError if there is no such service in the current folder's project."""
        try:
            self._run("docker", "compose", "config", "--quiet", self._service)
        except CommandFailedError as error:
            raise UsageError(
                f"Docker Compose has no service {quote(self._service)} to start workers of here: "
                f"{error}; go to the folder of its compose.yaml, name another service with "
                "--service, or say with --command what starts workers"
            ) from None

    def choose_ours(self, workers: Sequence[Candidate]) -> list[Candidate]:
        hosts = self._list_hosts()
        return [one for one in choose_matching(workers, self._only) if one.host in hosts]

    def prepare(self, leaving: Sequence[Candidate]) -> None:
        hosts = [worker.host for worker in leaving]
        self._run("docker", "update", "--restart", "no", *hosts)

    def resize(self, workers: int, gone: Sequence[Candidate]) -> None:
        if gone:
            self._run("docker", "rm", "--force", *[worker.host for worker in gone])
            return
        # A container that was drained by an earlier process would be started again otherwise.
        self._run("docker", "compose", "rm", "--force", self._service)
        # Containers whose workers have not connected yet also exist, and must not be removed.
        workers = max(workers, len(self._list_hosts()))
        self._run(
            *("docker", "compose", "up", "--detach", "--no-deps", "--no-recreate", "--no-build"),
            *("--scale", f"{self._service}={workers}", self._service),
        )

    def _list_hosts(self) -> set[str]:
        """Return the host names of the running containers."""
        listed = self._run("docker", "compose", "ps", "--quiet", self._service)
        return {line.strip()[:HOST_CHARACTERS] for line in listed.split()}

    def _run(self, *command: str) -> str:
        return run_command(command, self._seconds)


def choose_matching(workers: Sequence[Candidate], only: str) -> list[Candidate]:
    """Return the workers whose name or host matches a pattern."""
    return [one for one in workers if fnmatchcase(one.name, only) or fnmatchcase(one.host, only)]
