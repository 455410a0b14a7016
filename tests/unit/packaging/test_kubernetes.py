"""deploy/kubernetes: what is written there, and what its overlays come to."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from headrace_wire.version import VERSION
from support.places import REPOSITORY
from support.settings import check_settings

FOLDER = REPOSITORY / "deploy" / "kubernetes"
PAGE = (REPOSITORY / "docs" / "deploy" / "kubernetes.md").read_text()
ALERTS = (REPOSITORY / "monitoring" / "prometheus" / "alerts.yml").read_text()
METRICS = (REPOSITORY / "docs" / "metrics.md").read_text()
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())

#: The oldest version of Kubernetes that the page promises, and the newest that can be asked.
VERSIONS = ("1.31", kubernetes_validate.latest_version())

#: Kinds that are not Kubernetes' own: of these nobody here knows the schema.
FOREIGN = {"PodMonitor": "monitoring.coreos.com/v1", "ScaledObject": "keda.sh/v1alpha1"}

#: How long a worker goes on trying to report to a coordinator that is away, after its drain.
REPORT_SECONDS = 20

Manifest = dict[str, Any]


def parse(text: str) -> list[Manifest]:
    return [one for one in yaml.safe_load_all(text) if one]


@functools.cache
def render(overlay: str) -> list[Manifest]:
    """What `kubectl apply -k` would send."""
    kubectl, kustomize = shutil.which("kubectl"), shutil.which("kustomize")
    if not kubectl and not kustomize:
        pytest.skip("neither kubectl nor kustomize is installed")
    command = [kubectl, "kustomize"] if kubectl else [kustomize, "build"]
    done = subprocess.run(
        [*map(str, command), FOLDER / "overlays" / overlay],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return parse(done.stdout)


def find(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (
        one
        for one in manifests
        if one["kind"] == kind
        and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", one["metadata"]["name"])
    )
    return found


def list_sources() -> list[Path]:
    """Files with whole objects; those of overlays are patches of them."""
    return [
        path
        for folder in ("base", "components")
        for path in sorted((FOLDER / folder).rglob("*.yaml"))
        if path.name != "kustomization.yaml"
    ]


def check(manifest: Manifest) -> None:
    kind = manifest["kind"]
    if kind in FOREIGN:
        assert manifest["apiVersion"] == FOREIGN[kind]
        return
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("path", list_sources(), ids=lambda path: path.stem)
def test_what_is_written_is_as_the_api_wants_it(path: Path) -> None:
    manifests = parse(path.read_text())
    assert manifests
    for manifest in manifests:
        check(manifest)


def test_a_word_that_the_api_does_not_know_would_be_found() -> None:
    (claim,) = parse((FOLDER / "base" / "disruption.yaml").read_text())
    claim["spec"]["maxUnavailabel"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="maxUnavailabel"):
        check(claim)


@pytest.mark.parametrize(
    "path", sorted(FOLDER.rglob("kustomization.yaml")), ids=lambda path: path.parent.name
)
def test_a_kustomization_names_files_that_are_there_and_all_of_them(path: Path) -> None:
    (content,) = parse(path.read_text())
    patches = [one["path"] for one in content.get("patches", []) if "path" in one]
    places = [*content.get("resources", []), *content.get("components", []), *patches]
    assert all((path.parent / place).exists() for place in places)
    beside = {one.name for one in path.parent.glob("*.yaml")} - {path.name}
    assert beside == {place for place in places if not place.startswith("..")}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_an_overlay_comes_to_is_as_the_api_wants_it(overlay: str) -> None:
    manifests = render(overlay)
    for manifest in manifests:
        check(manifest)
        if manifest["kind"] != "Namespace":
            assert manifest["metadata"]["namespace"] == "headrace", manifest["metadata"]


def list_pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    for kind, name in (("StatefulSet", "headrace-coordinator"), ("Deployment", "headrace-worker")):
        yield find(manifests, kind, name)["spec"]["template"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_pod_has_more_rights_than_the_strictest_standard_allows(overlay: str) -> None:
    for pod in list_pods(render(overlay)):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        # HEADRACE_COORDINATOR_PORT and others of a Service's would come into headrace's variables.
        assert spec["enableServiceLinks"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["image"] == f"headrace:{VERSION}"


#: How many bytes or CPUs a unit of a quantity is.
UNITS = {"": 1.0, "m": 1e-3, "Mi": 2.0**20, "Gi": 2.0**30}


def measure(quantity: object) -> float:
    found = re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", str(quantity))
    assert found
    return float(found[1]) * UNITS[found[2]]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_mounts_what_it_has_and_asks_for_no_more_than_it_may_take(overlay: str) -> None:
    """A server refuses what does not fit, and no schema says so."""
    manifests = render(overlay)
    for kind, name in (("StatefulSet", "headrace-coordinator"), ("Deployment", "headrace-worker")):
        whole = find(manifests, kind, name)["spec"]
        spec = whole["template"]["spec"]
        claims = {one["metadata"]["name"] for one in whole.get("volumeClaimTemplates", ())}
        volumes = {one["name"] for one in spec["volumes"]} | claims
        for container in spec["containers"]:
            assert {one["name"] for one in container["volumeMounts"]} == volumes
            ports = {one["name"] for one in container.get("ports", [])}
            probes = [value for key, value in container.items() if key.endswith("Probe")]
            assert probes
            assert {probe["httpGet"]["port"] for probe in probes if "httpGet" in probe} <= ports
            resources = container["resources"]
            for what, limit in resources["limits"].items():
                assert measure(resources["requests"][what]) <= measure(limit)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_options_are_those_of_the_command_and_it_takes_their_values(overlay: str) -> None:
    manifests = render(overlay)
    for pod in list_pods(manifests):
        (container,) = pod["spec"]["containers"]
        (name,) = container["args"]
        settings = {one["name"]: one.get("value", "pod-1") for one in container["env"]}
        for source in container["envFrom"]:
            reference = source["configMapRef"]["name"]
            settings |= find(manifests, "ConfigMap", re.escape(reference))["data"]
        check_settings(name, settings)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_worker_is_given_the_time_to_drain_and_to_report(overlay: str) -> None:
    manifests = render(overlay)
    seconds = {"s": 1, "m": 60}
    drain = find(manifests, "ConfigMap", "headrace-worker")["data"]["HEADRACE_DRAIN"]
    wanted = int(drain[:-1]) * seconds[drain[-1]] + REPORT_SECONDS
    spec = find(manifests, "Deployment", "headrace-worker")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > wanted
    # SIGTERM is what drains: before it nothing may send one, for a second one stops at once.
    assert "lifecycle" not in spec["containers"][0]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_keys_survive_a_second_start_of_the_coordinator(overlay: str) -> None:
    """Otherwise Kubernetes lets the group read them, and they are refused."""
    spec = find(render(overlay), "StatefulSet", "headrace-coordinator")["spec"]
    assert spec["template"]["spec"]["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    assert spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Retain"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_selects_pods_finds_them_and_their_ports(overlay: str) -> None:
    manifests = render(overlay)
    labels = [pod["metadata"]["labels"] for pod in list_pods(manifests)]
    ports = {
        port["name"]
        for pod in list_pods(manifests)
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    }
    for manifest in manifests:
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        wanted = selector.get("matchLabels", selector)
        if wanted:
            found = [one for one in labels if wanted.items() <= one.items()]
            assert len(found) == 1, manifest["metadata"]["name"]
        for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
            named = {one["port"] for one in rule.get("ports", []) if isinstance(one["port"], str)}
            assert named <= ports
    service = find(manifests, "Service", "headrace-coordinator")["spec"]
    assert {one["targetPort"] for one in service["ports"]} <= ports
    assert {endpoint["port"] for endpoint in list_endpoints(manifests)} <= ports


def list_endpoints(manifests: list[Manifest]) -> list[Manifest]:
    return [
        endpoint
        for one in manifests
        if one["kind"] == "PodMonitor"
        for endpoint in one["spec"]["podMetricsEndpoints"]
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_are_those_that_the_page_has_people_make(overlay: str) -> None:
    manifests = render(overlay)
    made = dict(re.findall(r"create secret generic (\S+) \\?\s*--from-file=(\S+?)=", PAGE))
    (worker,) = (
        volume["secret"]["secretName"]
        for volume in find(manifests, "Deployment", "headrace-worker")["spec"]["template"]["spec"][
            "volumes"
        ]
        if "secret" in volume
    )
    assert made[worker] == "worker.key"
    for endpoint in list_endpoints(manifests):
        credentials = endpoint["authorization"]["credentials"]
        assert made[credentials["name"]] == credentials["key"]


def test_the_alerts_find_the_coordinator_by_the_name_that_its_metrics_have() -> None:
    manifests = render("many-nodes")
    (monitor,) = (one for one in manifests if one["kind"] == "PodMonitor")
    coordinator = next(list_pods(manifests))
    job = coordinator["metadata"]["labels"][monitor["spec"]["jobLabel"]]
    assert set(re.findall(r'job="(\w+)"', ALERTS)) == {job}


def read_scaled_object() -> Manifest:
    (scaled,) = parse((FOLDER / "components" / "autoscaling" / "scaled-object.yaml").read_text())
    return scaled


def test_the_number_of_workers_is_left_to_what_scales_them() -> None:
    worker = find(render("many-nodes"), "Deployment", "headrace-worker")
    assert "replicas" not in worker["spec"]
    assert read_scaled_object()["spec"]["scaleTargetRef"]["name"] == worker["metadata"]["name"]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        pytest.param({"tasks": 5000, "slots": 20}, 8, id="four with twenty minutes become eight"),
        pytest.param({"tasks": 22, "slots": 20}, 6, id="no more slots than tasks"),
        pytest.param({"tasks": 1, "slots": 20}, 1, id="one long task"),
        pytest.param({"tasks": 1200, "slots": 0, "workers": 0, "draining": 0}, 2, id="nobody yet"),
        pytest.param({"seconds": 0, "tasks": 0, "slots": 20}, 0, id="nothing that they can do"),
    ],
)
def test_as_many_workers_are_wanted_as_do_the_work_in_ten_minutes(
    tmp_path: Path, told: dict[str, int], wanted: int
) -> None:
    (trigger,) = read_scaled_object()["spec"]["triggers"]
    query, threshold = trigger["metadata"]["query"], float(trigger["metadata"]["threshold"])
    assert {float(number) for number in re.findall(r"[0-9]{2,}", query)} == {threshold}
    for metric in re.findall(r"headrace_\w+", query):
        assert f"| `{metric}` |" in METRICS
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: it comes with Prometheus")
    series = {
        'headrace_backlog_seconds{namespace="headrace"}': told.get("seconds", 1200),
        'headrace_backlog_tasks{namespace="headrace"}': told["tasks"],
        'headrace_slots{namespace="headrace"}': told["slots"],
        'headrace_workers{namespace="headrace"}': told.get("workers", 5),
        'headrace_workers_draining{namespace="headrace"}': told.get("draining", 1),
        'headrace_backlog_seconds{namespace="other"}': 9000,
        'headrace_backlog_tasks{namespace="other"}': 9000,
    }
    tests: Manifest = {
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": str(value)} for name, value in series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f"ceil(({query}) / {threshold})",
                        "eval_time": "0m",
                        "exp_samples": [{"labels": "{}", "value": wanted}],
                    }
                ],
            }
        ]
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_names_folders_that_are_there() -> None:
    places = re.findall(r"deploy/kubernetes/[\w./-]*\w", PAGE)
    assert places
    for place in places:
        assert (REPOSITORY / place).exists(), place
