"""compose.yaml on a real engine, from the build to the last volume.

The tests share one project and each brings it into the state that it needs; the last one takes it
down. They run in order.
"""

from __future__ import annotations

import json
import math
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageFilter

from headrace_wire.landlock import explain_missing
from headrace_wire.version import VERSION
from support.compose_engine import REPOSITORY, find_engine_problem
from support.compose_project import ComposeProject, docker, inspect, poll
from support.dashboards import list_all_queries
from support.pictures import decode, encode, make_picture, pixels

pytestmark = [
    pytest.mark.compose,
    pytest.mark.xdist_group("compose"),
    pytest.mark.slow,
    pytest.mark.timeout(600),
]

#: Primes below 10^9 and 5 * 10^10, known from the literature.
PRIMES_BELOW_1E9 = 50_847_534
PRIMES_BELOW_5E10 = 2_119_654_578

#: Pictures in the image job.
PICTURES = 12

#: Pictures of two megapixels in the image job that is disturbed.
LARGE_PICTURES = 48

#: The largest difference to Pillow's blur, of 255.
BLUR_TOLERANCE = 3

#: What runs, and what of it is of the image that is built here.
SERVICES = ("coordinator", "worker", "prometheus", "alertmanager")
OURS = ("coordinator", "worker")

#: The alert that fires once tasks have failed for good.
FAILING = "HeadraceTasksFailing"

#: Seconds within which an alert fires that has had its reason: a minute, and a look at the rules.
ALERT_SECONDS = 120.0

#: Seconds for Alertmanager to reach whom it tells: meanwhile it may have tried in vain.
DELIVERY_SECONDS = 90.0

#: Metrics that are there only after something went wrong or was counted since the coordinator was
#: started, or with a certificate of one's own.
SOMETIMES = (
    "failed_attempts", "lease_expirations", "slot_restarts", "retries", "user_counts", "certificate"
)  # fmt: skip

#: Seconds that a drained worker may take beyond its running tasks of less than a second each.
STOP_SECONDS = 20.0


#: Seconds within which the engine starts a killed container again.
RESTART_SECONDS = 60.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    """Built and up with four workers."""
    problem = find_engine_problem()
    if problem:
        pytest.skip(f"no Docker engine: {problem}")
    project = ComposeProject(tmp_path_factory.mktemp("compose"))
    try:
        project.compose("build")
        project.start(4)
        project.fetch_key()
        yield project
    finally:
        project.close()


@pytest.fixture(scope="module")
def photos(project: ComposeProject) -> Path:
    folder = project.files / "photos"
    folder.mkdir()
    for number in range(PICTURES):
        picture = make_picture(320, 240, seed=number)
        (folder / f"{number:02}.png").write_bytes(encode(picture, "PNG"))
    project.own_files()
    return folder


def test_up_waits_until_four_workers_are_connected(project: ComposeProject) -> None:
    project.start(4)
    workers = project.list_workers()
    hosts = {
        inspect(container)["Config"]["Hostname"] for container in project.list_containers("worker")
    }
    assert {worker["host"] for worker in workers} == hosts
    assert len(workers) == 4
    for worker in workers:
        assert worker["engines"]["primes"].startswith("primesieve ")
        assert worker["engines"]["images"].startswith("libvips ")


def test_autoscale_takes_away_what_it_has_drained_and_nothing_else(
    project: ComposeProject,
) -> None:
    project.start(4)
    project.headrace("submit", "primes", "count", "0", "1e7")
    before = {worker["host"] for worker in project.list_workers()}
    project.autoscale("--min", "2", "--max", "8", "--once")
    left = {worker["host"] for worker in project.list_workers()}
    assert left < before
    assert len(left) == 2
    containers = [inspect(container) for container in project.list_containers("worker")]
    assert {container["Config"]["Hostname"] for container in containers} == left
    assert all(container["State"]["Running"] for container in containers)


def test_autoscale_starts_more_beside_those_that_there_are(project: ComposeProject) -> None:
    project.start(2)
    before = set(project.list_containers("worker"))
    job = project.headrace("submit", "primes", "count", "0", "1e12", "--detach").strip()
    try:
        # How long its tasks take is known as soon as some are done.
        poll(lambda: json.loads(project.headrace("job", job, "--json"))["done"], bool)
        project.autoscale("--min", "1", "--max", "3", "--target", "1s", "--once")
        assert before < set(project.list_containers("worker"))
        poll(project.list_workers, lambda workers: len(workers) == 3)
    finally:
        project.headrace("cancel", job)


def test_a_setting_for_one_command_leaves_the_coordinator_alone(project: ComposeProject) -> None:
    before = project.list_containers("coordinator")
    project.compose("run", "--rm", "-T", "cli", "workers", settings={"HEADRACE_LEASE": "20s"})
    assert project.list_containers("coordinator") == before


def test_the_image_says_what_it_is(project: ComposeProject) -> None:
    [container] = project.list_containers("coordinator")
    labels = inspect(container)["Config"]["Labels"]
    prefix = "org.opencontainers.image"
    said = {name: labels[f"{prefix}.{name}"] for name in ("title", "version", "licenses")}
    assert said == {"title": "headrace", "version": VERSION, "licenses": "MIT"}
    assert labels[f"{prefix}.revision"] == "c0ffee"


def test_logs_are_rotated(project: ComposeProject) -> None:
    for service in SERVICES:
        containers = project.list_containers(service)
        assert containers, service
        for container in containers:
            assert inspect(container)["HostConfig"]["LogConfig"]["Config"]["max-size"] == "10m"


def test_primes_are_counted_from_the_host(project: ComposeProject) -> None:
    assert project.headrace("submit", "primes", "count", "0", "1e9") == f"{PRIMES_BELOW_1E9}\n"


def test_primes_are_counted_from_a_container(project: ComposeProject) -> None:
    assert project.cli("submit", "primes", "count", "0", "1e9") == f"{PRIMES_BELOW_1E9}\n"


def test_primes_found_are_the_same_from_host_and_container(project: ComposeProject) -> None:
    project.own_files()
    find = ["submit", "primes", "find", "0", "1e7", "-o"]
    project.headrace(*find, "from-host.txt")
    project.cli(*find, "from-container.txt")
    container = project.files / "from-container.txt"
    lines = container.read_text().split()
    assert len(lines) == 664_579
    assert lines[:5] == ["2", "3", "5", "7", "11"]
    assert (project.files / "from-host.txt").read_bytes() == container.read_bytes()
    assert (container.stat().st_uid, container.stat().st_gid) == project.user


def test_the_commands_of_the_page_do_what_it_says(project: ComposeProject, photos: Path) -> None:
    page = (REPOSITORY / "docs" / "deploy" / "compose.md").read_text()
    commands = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)[1]
    project.own_files()
    said = project.run_shell(commands)
    assert said.startswith("50847534\n")
    assert "/?token=" in said
    assert len(list((project.files / "blurred").iterdir())) == len(list(photos.iterdir()))


@pytest.mark.parametrize("where", ["host", "container"])
def test_pictures_are_blurred(project: ComposeProject, photos: Path, where: str) -> None:
    submit = project.headrace if where == "host" else project.cli
    submit("submit", "images", "blur", "photos", f"blurred-{where}", "--radius", "3")
    blurred = sorted((project.files / f"blurred-{where}").iterdir())
    assert [path.name for path in blurred] == sorted(path.name for path in photos.iterdir())
    for path in blurred:
        original = decode((photos / path.name).read_bytes())
        wanted = pixels(original.filter(ImageFilter.GaussianBlur(3)))
        made = pixels(decode(path.read_bytes()))
        assert abs(made - wanted).max() <= BLUR_TOLERANCE


def test_functions_of_ones_own_run_in_the_workers(project: ComposeProject) -> None:
    (project.files / "numbers.jsonl").write_text("4\n9\n")
    project.own_files()
    for submit in (project.headrace, project.cli):
        doubled = submit("submit", "map", "shop:double", "numbers.jsonl")
        assert [json.loads(line)["value"] for line in doubled.splitlines()] == [8, 18]
    counted = 'headrace_user_counts_total{name="doubled"}'

    def read_counts() -> list[str]:
        return [series["value"][1] for series in project.query(counted)]

    assert poll(read_counts, lambda seen: seen == ["4"])
    roots = project.headrace("submit", "map", "math:sqrt", "numbers.jsonl")
    assert [json.loads(line)["value"] for line in roots.splitlines()] == [2.0, 3.0]
    project.headrace("submit", "map", "math:exp", "numbers.jsonl", expected=1)


def test_prometheus_sees_four_workers_through_one_target(project: ComposeProject) -> None:
    project.start(4)
    names = {worker["name"] for worker in project.list_workers()}

    def read_names() -> set[str]:
        series = project.query("headrace_worker_resident_memory_bytes")
        return {one["metric"]["worker"] for one in series if float(one["value"][1]) > 10e6}

    assert poll(read_names, lambda seen: seen == names)
    assert len(names) == 4
    poll(
        lambda: project.query("headrace_workers"),
        lambda seen: [one["value"][1] for one in seen] == ["4"],
    )
    [target] = project.ask_prometheus("targets?state=active")["activeTargets"]
    assert target["health"] == "up"


def test_containers_are_confined(project: ComposeProject) -> None:
    for service in SERVICES:
        containers = project.list_containers(service)
        assert containers, service
        for container in containers:
            facts = inspect(container)
            host = facts["HostConfig"]
            assert facts["Config"]["User"] == (
                "{}:{}".format(*project.user) if service in OURS else "nobody"
            )
            assert host["ReadonlyRootfs"]
            assert host["Init"]
            assert host["CapDrop"] == ["ALL"]
            assert host["SecurityOpt"] == ["no-new-privileges:true"]
            published = [place for places in host["PortBindings"].values() for place in places]
            assert all(place["HostIp"] == "127.0.0.1" for place in published)
            volumes = [mount["Name"] for mount in facts["Mounts"] if mount["Type"] == "volume"]
            assert all(volume.startswith(project.name) for volume in volumes), "anonymous volume"


def test_the_image_lists_its_parts(project: ComposeProject) -> None:
    place = "/usr/share/headrace/sbom.cdx.json"
    told = json.loads(project.compose("exec", "-T", "coordinator", "cat", place))
    names = {part["name"] for part in told["components"]}
    assert {"python", "msgspec", "cryptography", "libc6"} <= names
    assert told["metadata"]["component"]["name"] == "headrace"


def test_every_profile_is_valid_and_one_service_builds(project: ComposeProject) -> None:
    shown = project.compose("--profile", "*", "config", "--format", "json")
    services = json.loads(shown)["services"]
    names = ["alertmanager", "cli", "coordinator", "grafana", "prometheus", "worker"]
    assert sorted(services) == names
    assert [name for name, service in services.items() if "build" in service] == ["coordinator"]
    # Of an image that no registry has, a registry is not asked.
    ours = [services[name] for name in ("cli", "coordinator", "worker")]
    assert [service["pull_policy"] for service in ours] == ["never"] * 3
    # Of the form 1m0s, in which compose shows it: a minute at least.
    assert services["worker"]["environment"]["HEADRACE_DRAIN"] == "30s"
    assert "m" in services["worker"]["stop_grace_period"]


def test_only_the_coordinator_can_change_the_key(project: ComposeProject) -> None:
    uid, _ = project.user
    state = project.compose("exec", "-T", "coordinator", "stat", "-c", "%a %u %s", "/key/key")
    assert state.split() == ["600", str(uid), "65"]
    # Whoever takes over a worker finds no key that does more than a worker's.
    assert project.compose("exec", "-T", "worker", "ls", "/key").split() == ["worker.key"]
    assert project.compose("run", "--rm", "-T", "--entrypoint", "ls", "cli", "/key").split() == [
        "client.key"
    ]
    project.compose("exec", "-T", "worker", "touch", "/key/another", expected=1)
    project.compose("exec", "-T", "worker", "touch", "/opt/headrace/another", expected=1)
    project.compose("exec", "-T", "coordinator", "touch", "/key/another")
    # What runs tasks cannot even read it, where the kernel can see to that.
    log = project.compose("logs", "--no-log-prefix", "worker")
    assert explain_missing() or "tasks cannot read what lies in /key" in log


def test_pip_in_the_image_installs_where_headrace_is(project: ComposeProject) -> None:
    listed = project.compose("exec", "-T", "worker", "pip", "list", "--format", "json")
    assert "headrace" in {package["name"] for package in json.loads(listed)}


def test_a_wrong_key_is_refused(project: ComposeProject, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.key"
    wrong.touch(0o600)
    wrong.write_text(secrets.token_hex(32))
    project.headrace("health", "--key-file", str(wrong), expected=77)


def test_a_worker_elsewhere_joins_with_a_key_and_an_image(
    project: ComposeProject, tmp_path: Path
) -> None:
    """compose.worker.yaml as a project of its own, in the coordinator's network alone."""
    project.start(4)
    key = tmp_path / "worker.key"
    key.touch(mode=0o600)
    new = ("headrace", "keys", "new", "elsewhere", "--role", "worker")
    key.write_text(project.compose("exec", "-T", "coordinator", *new))
    if os.geteuid() == 0:
        os.chown(key, *project.user)
    # What is published in a test can be reached from this machine's own loopback alone.
    network = tmp_path / "network.yaml"
    network.write_text(
        json.dumps({"networks": {"default": {"name": f"{project.name}_default", "external": True}}})
    )
    elsewhere = {
        "COMPOSE_FILE": f"{REPOSITORY / 'compose.worker.yaml'}{os.pathsep}{network}",
        "COMPOSE_PROJECT_NAME": f"{project.name}-elsewhere",
        "HEADRACE_COORDINATOR": "coordinator:7333",
        "HEADRACE_KEY_FILE": str(key),
        "HEADRACE_NAME": "elsewhere",
    }
    try:
        project.compose("up", "--detach", "--wait", settings=elsewhere)
        assert "elsewhere" in {worker["name"] for worker in project.list_workers()}
        said = project.compose("logs", "worker", settings=elsewhere)
        assert "tasks cannot read /run/secrets/" in said or explain_missing()
    finally:
        project.compose("down", "--volumes", settings=elsewhere)
    poll(project.list_workers, lambda workers: len(workers) == 4)


def test_health_of_a_worker_needs_the_worker_itself(project: ComposeProject) -> None:
    project.compose("exec", "-T", "worker", "headrace", "health", "--local-worker")
    project.compose("exec", "-T", "coordinator", "headrace", "health")
    project.compose(
        "exec", "-T", "coordinator", "headrace", "health", "--local-worker", expected=69
    )


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


def test_every_query_of_the_dashboards_shows_something(project: ComposeProject) -> None:
    def find_empty() -> list[str]:
        return [expression for expression in needed if not project.query(expression)]

    expressions = list_all_queries()
    needed = [text for text in expressions if not any(name in text for name in SOMETIMES)]
    for expression in expressions:
        project.query(expression)
    poll(find_empty, lambda empty: not empty)


def test_prometheus_evaluates_the_alert_rules_and_none_fires_for_nothing(
    project: ComposeProject,
) -> None:
    def read_rules() -> list[dict[str, Any]]:
        groups = project.ask_prometheus("rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    rules = poll(read_rules, lambda found: all(rule["health"] == "ok" for rule in found))
    alerts = [rule for rule in rules if rule["type"] == "alerting"]
    assert len(alerts) >= 6
    firing = {rule["name"] for rule in alerts if rule["state"] == "firing"}
    assert firing <= {FAILING}, "tasks of earlier tests fail on purpose"


def test_an_alert_that_fires_is_known_to_prometheus_and_to_alertmanager_which_tells_of_it(
    project: ComposeProject,
) -> None:
    (project.files / "numbers.jsonl").write_text("4\n9\n")
    project.own_files()
    if not project.query(f'ALERTS{{alertname="{FAILING}"}}'):
        project.headrace("submit", "map", "math:exp", "numbers.jsonl", expected=1)
    firing = f'ALERTS{{alertname="{FAILING}", alertstate="firing"}}'
    with project.receive_alerts() as list_messages:
        [alert] = poll(lambda: project.query(firing), bool, ALERT_SECONDS)
        assert alert["metric"]["service"] == "calls"
        poll(project.list_alerts, lambda names: FAILING in names)
        messages = poll(list_messages, bool, DELIVERY_SECONDS)
    told = [one for message in messages for one in message["alerts"]]
    [one] = [one for one in told if one["labels"]["alertname"] == FAILING]
    assert (one["status"], one["labels"]["service"]) == ("firing", "calls")
    assert one["annotations"]["runbook_url"].endswith("#headracetasksfailing")


def test_stopped_workers_hand_back_what_they_hold(project: ComposeProject) -> None:
    project.start(2)
    job = submit_count(project, "1e12", "2.5e8")
    wait_for_first_result(project, job)
    started = time.monotonic()
    project.compose("stop", "worker")
    assert time.monotonic() - started < STOP_SECONDS
    exits = [inspect(container)["State"] for container in project.list_containers("worker")]
    assert [state["ExitCode"] for state in exits] == [0, 0]
    assert not any(state["OOMKilled"] for state in exits)
    assert project.list_workers() == []
    status = json.loads(project.headrace("job", job, "--json"))
    assert (status["state"], status["leased"], status["failed"]) == ("running", 0, 0)
    project.headrace("cancel", job)


@pytest.mark.parametrize("cpus", [0.5, 1, 1.5])
def test_a_cpu_limit_decides_the_number_of_slots(project: ComposeProject, cpus: float) -> None:
    cores = int(docker("info", "--format", "{{.NCPU}}"))
    if cpus > cores:
        pytest.skip(f"this engine has {cores} core")
    project.start(1, "worker", settings={"HEADRACE_WORKER_CPUS": f"{cpus:g}"})
    [worker] = project.list_workers()
    assert worker["slots"] == min(cores, math.ceil(cpus))
    if cpus < cores:
        assert worker["slots_limit"].startswith("cgroup ")
        assert worker["slots_limit"].split()[-2:] == [f"{cpus:g}", "CPU" if cpus == 1 else "CPUs"]


def test_a_job_is_whole_after_all_was_replaced_as_up_does_after_a_build(
    project: ComposeProject,
) -> None:
    project.start(2)
    before = {job["id"] for job in json.loads(project.headrace("jobs", "--all", "--json"))}
    job = submit_count(project, "5e10", "2.5e8")
    wait_for_first_result(project, job)
    up = ["up", "--detach", "--wait", "--force-recreate", "--scale", "worker=2"]
    project.compose(*up, "coordinator", "worker")
    assert json.loads(project.headrace("job", job, "--json"))["state"] == "running"
    assert project.headrace("results", job) == f"{PRIMES_BELOW_5E10}\n"
    status = json.loads(project.headrace("job", job, "--json"))
    assert (status["state"], status["failed"]) == ("succeeded", 0)
    after = {job["id"] for job in json.loads(project.headrace("jobs", "--all", "--json"))}
    assert after == before | {job}


def test_containers_say_what_they_may_not_read(project: ComposeProject, tmp_path: Path) -> None:
    folder = tmp_path / "unreadable"
    folder.mkdir(mode=0o000)
    config = project.compose("--profile", "*", "config", "--format", "json")
    services = json.loads(config)["services"]
    for service, place in (
        ("prometheus", "prometheus"),
        ("alertmanager", "alertmanager"),
        ("grafana", "grafana/dashboards"),
    ):
        sh, *script = [word.replace("$$", "$") for word in services[service]["entrypoint"]]
        start = ["run", "--rm", "-v", f"{folder}:/etc/{place}:ro", "--entrypoint", sh]
        with pytest.raises(AssertionError, match=r"chmod -R go\+rX monitoring"):
            docker(*start, services["prometheus"]["image"], *script)  # any image with a shell
    settings = {"HEADRACE_CODE": str(folder)}
    with pytest.raises(AssertionError, match=r"exits with 2:(?s:.*)may not read /code"):
        project.compose("run", "--rm", "-T", "--no-deps", "worker", settings=settings)


def test_down_with_volumes_leaves_nothing(project: ComposeProject) -> None:
    coordinator, *_ = project.list_containers("coordinator")
    project.compose("stop", "coordinator")
    assert inspect(coordinator)["State"]["ExitCode"] == 0
    project.compose("down", "--volumes")
    assert project.list_leftovers() == []


def submit_count(project: ComposeProject, stop: str, span: str) -> str:
    """Submit a count from 0 and come back at once; gives the job's id."""
    arguments = ["submit", "primes", "count", "0", stop, "--span", span, "--detach"]
    return project.headrace(*arguments).strip()


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


def wait_for_first_result(project: ComposeProject, job: str) -> None:
    def count_done() -> int:
        done: int = json.loads(project.headrace("job", job, "--json"))["done"]
        return done

    poll(count_done, lambda done: done > 0)
