"""Jobs of a compose project that run while something happens to its containers."""

from __future__ import annotations

import json

from support.compose_project import ComposeProject, poll

#: The largest difference to Pillow's blur, of 255.
BLUR_TOLERANCE = 3

#: Primes below 5 * 10^10, known from the literature.
PRIMES_BELOW_5E10 = 2_119_654_578


def submit_count(project: ComposeProject, stop: str, span: str) -> str:
    """Submit a count from 0 and come back at once; gives the job's id."""
    arguments = ["submit", "primes", "count", "0", stop, "--span", span, "--detach"]
    return project.headrace(*arguments).strip()


def wait_for_first_result(project: ComposeProject, job: str) -> None:
    def count_done() -> int:
        done: int = json.loads(project.headrace("job", job, "--json"))["done"]
        return done

    poll(count_done, lambda done: done > 0)
