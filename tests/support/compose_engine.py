"""A Docker engine that answers, for tests that need one."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

#: Makes an engine and the base images ready where no registry can be reached.
ENGINE_SCRIPT = REPOSITORY.parent / "shared" / "docker-engine.sh"

#: Seconds for that script, which installs an engine when there is none.
SCRIPT_SECONDS = 480

#: Seconds for an engine to say that it is there.
ANSWER_SECONDS = 20

#: The marks of tests that share the engine and its one project.
COMPOSE_MARKS = [
    pytest.mark.compose,
    pytest.mark.xdist_group("compose"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]


def find_engine_problem() -> str:
    """Why compose cannot be used here, in one line; "" when an engine answers.

    Starts the engine first where the script for it lies beside the repository.
    """
    if ENGINE_SCRIPT.exists() and os.geteuid() == 0:
        problem = _ask(["bash", str(ENGINE_SCRIPT), *list_images()], SCRIPT_SECONDS)
        if problem:
            return problem
    return _ask(["docker", "info"], ANSWER_SECONDS) or _ask(
        ["docker", "compose", "version"], ANSWER_SECONDS
    )


def list_images() -> list[str]:
    """The images that compose.yaml needs besides its own; not Grafana's, which no test starts."""
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    composed = (REPOSITORY / "compose.yaml").read_text()
    bases = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", dockerfile, re.MULTILINE)
    return [*bases, *re.findall(r"^ +image: (prom/\S+)", composed, re.MULTILINE)]


def _ask(command: list[str], timeout_seconds: float) -> str:
    shown = " ".join(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except FileNotFoundError:
        return f"{command[0]} is not installed"
    except subprocess.TimeoutExpired:
        return f"`{shown}` does not answer within {timeout_seconds:g} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines() or ["it says nothing"]
    return f"`{shown}` fails: {lines[-1]}"
