"""A third party's service, as an installed package brings one: tasks that wait, fail and die."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from headrace_services.service import Gathered, Parameters, Plan, Target, TaskRunner


def plan(tasks: int, folder: Path | None = None, **behaviour: object) -> Plan:
    """A job whose tasks behave as told.

    ``sleep_seconds`` for each; ``fail``, ``crash``, ``hang``, ``hog`` (take all memory): indices of
    tasks that do, ``unless`` there is a file of this name; ``folder``: each task leaves a file
    there when it starts, named after its index and process.
    """
    return Plan("act", {"folder": str(folder or ""), **behaviour}, tasks)


def plan_echo(first: int, tasks: int, *, carried: bool, **behaviour: object) -> Plan:
    """A job whose values are the sequence numbers from ``first`` on, each once.

    ``carried``: the numbers are put as inputs; else tasks derive them from their indices. Tasks
    sleep, fail and crash as for ``plan``.
    """
    numbers = (str(first + index).encode() for index in range(tasks))
    return Plan("echo", {"first": first, **behaviour}, tasks, numbers if carried else None)


class ProbeService:
    """``act`` squares its index, ``echo`` gives back a sequence number."""

    name = "probe"
    operations = ("act", "echo")

    def engine(self) -> str:
        return "probe 1.0"

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        if operation not in self.operations:
            raise ValueError(f"probe has no operation {operation!r}")
        folder = parameters.get("folder")
        first = cast("int", parameters.get("first", 0))
        sleep_seconds = cast("float", parameters.get("sleep_seconds", 0.0))
        mended = str(parameters.get("unless", ""))
        failing, crashing, hanging, hogging = (
            cast("list[int]", parameters.get(word, [])) for word in ("fail", "crash", "hang", "hog")
        )

        def act(index: int, task_input: bytes | None) -> bytes:
            if folder:
                (Path(str(folder)) / f"{index}-{os.getpid()}").touch()
            if mended and Path(mended).exists():
                return str(index * index).encode()
            if index in failing:
                raise ArithmeticError(f"task {index} was told to fail")
            if index in crashing:
                os.kill(os.getpid(), signal.SIGSEGV)
            if index in hanging:
                time.sleep(3600)
            if index in hogging:
                hoard = [b"\1" * (16 << 20) for _ in range(256)]
                raise MemoryError(f"{len(hoard)} blocks were to be had")
            time.sleep(sleep_seconds)
            if operation == "echo":
                return str(first + index).encode() if task_input is None else task_input
            return str(index * index).encode()

        return act

    def describe(
        self, operation: str, parameters: Parameters, index: int, task_input: bytes | None
    ) -> str:
        return f"{operation} {index}"

    def is_ordered(self, operation: str) -> bool:
        return False

    def gather(
        self,
        operation: str,
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        total = sum(int(value) for _, value in values)
        return Gathered(result=total, text=f"{total}\n")


PROBE = ProbeService()
