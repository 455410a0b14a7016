"""Jobs of a compose project whose containers are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from PIL import ImageFilter

from support.compose_engine import COMPOSE_MARKS
from support.compose_jobs import (
    BLUR_TOLERANCE,
    PRIMES_BELOW_5E10,
    submit_count,
    wait_for_first_result,
)
from support.compose_project import ComposeProject, inspect, poll
from support.pictures import decode, encode, make_picture, pixels

pytestmark = COMPOSE_MARKS

#: Pictures of two megapixels in the image job that is disturbed.
LARGE_PICTURES = 48

#: Seconds within which the engine starts a killed container again.
RESTART_SECONDS = 60.0


def test_a_job_is_whole_after_a_worker_was_killed(project: ComposeProject) -> None:
    project.start(4)
    job = submit_count(project, "5e10", "2.5e8")
    wait_for_first_result(project, job)
    victim = max(project.list_workers(), key=lambda worker: int(worker["leased"]))
    assert victim["leased"] > 0
    container = inspect(victim["host"])
    killed_at = time.time()
    os.kill(container["State"]["Pid"], signal.SIGKILL)
    assert json.loads(project.headrace("job", job, "--json"))["state"] == "running"
    assert project.headrace("results", job) == f"{PRIMES_BELOW_5E10}\n"
    status = json.loads(project.headrace("job", job, "--json"))
    assert (status["state"], status["failed"]) == ("succeeded", 0)
    assert wait_for_start(container["Id"], killed_at), "the engine did not start it again"
    # The killed worker's lease ended by silence: it had not delivered everything.
    expirations = 'sum(headrace_lease_expirations_total{service="primes"})'
    poll(lambda: project.query(expirations), bool)
    poll(project.list_workers, lambda workers: len(workers) == 4)


def test_an_image_job_is_whole_after_a_worker_and_the_coordinator_were_killed(
    project: ComposeProject,
) -> None:
    project.start(4)
    originals = [make_picture(1800, 1200, seed=seed) for seed in range(4)]
    encoded = [encode(picture, "PNG", compress_level=1) for picture in originals]
    folder = project.files / "large"
    folder.mkdir()
    for number in range(LARGE_PICTURES):
        (folder / f"{number:02}.png").write_bytes(encoded[number % len(encoded)])
    with ThreadPoolExecutor(1) as client:
        blur = ["submit", "images", "blur", "large", "large-blurred", "--radius", "3"]
        submitted = client.submit(project.headrace, *blur)
        job = poll(lambda: find_running(project, "images"), bool)
        wait_for_first_result(project, job)
        victim = max(project.list_workers(), key=lambda worker: int(worker["leased"]))
        os.kill(inspect(victim["host"])["State"]["Pid"], signal.SIGKILL)
        status = json.loads(project.headrace("job", job, "--json"))
        assert 0 < status["done"] < LARGE_PICTURES, "killed too late"
        [coordinator] = project.list_containers("coordinator")
        os.kill(inspect(coordinator)["State"]["Pid"], signal.SIGKILL)
        submitted.result()
    status = json.loads(project.headrace("job", job, "--json"))
    assert (status["state"], status["failed"]) == ("succeeded", 0)
    made = sorted((project.files / "large-blurred").iterdir())
    assert [path.name for path in made] == [f"{number:02}.png" for number in range(LARGE_PICTURES)]
    wanted = [pixels(original.filter(ImageFilter.GaussianBlur(3))) for original in originals]
    for number, path in enumerate(made):
        difference = pixels(decode(path.read_bytes())) - wanted[number % len(wanted)]
        assert abs(difference).max() <= BLUR_TOLERANCE
    poll(project.list_workers, lambda workers: len(workers) == 4)


def find_running(project: ComposeProject, service: str) -> str:
    """The id of this service's job that is on its way, "" for none."""
    jobs = json.loads(project.headrace("jobs", "--json"))
    found = [job["id"] for job in jobs if job["service"] == service and not job["finished_at"]]
    return found[0] if found else ""


def wait_for_start(container: str, since: float) -> bool:
    """Whether a container was started since then (Unix seconds), or is within RESTART_SECONDS."""
    span = ["--since", f"{since:.3f}", "--until", f"{since + RESTART_SECONDS:.3f}"]
    wanted = ["--filter", f"container={container}", "--filter", "event=start"]
    with subprocess.Popen(
        ["docker", "events", *span, *wanted, "--format", "{{.Action}}"],
        stdout=subprocess.PIPE,
        text=True,
    ) as events:
        assert events.stdout
        line = events.stdout.readline()
        events.terminate()
    return line == "start\n"
