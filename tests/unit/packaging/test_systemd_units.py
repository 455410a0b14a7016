"""The units in deploy/systemd, as systemd reads them, and as headrace reads their settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.places import REPOSITORY
from support.settings import check_settings

UNITS = sorted((REPOSITORY / "deploy" / "systemd").glob("*.service"))
PAGE = (REPOSITORY / "docs" / "deploy" / "systemd.md").read_text()

#: In tenths. A worker runs the code of others, which may need much; above 2.0 a unit is "ok" and
#: above 5.0 "medium", above 7.0 "exposed".
MOST_EXPOSURE = {"headrace-coordinator": 20, "headrace-worker": 45}

#: How long a worker goes on trying to report to a coordinator that is away, after its drain.
REPORT_SECONDS = 20


def list_values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: it comes with systemd")
    # That is asked for what is not installed here.
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/headrace/bin/headrace", "/bin/true"))
    # A warning is on standard error, and is no failure.
    assert run(analyze, "verify", copy) == ""
    threshold = f"--threshold={MOST_EXPOSURE[unit.stem]}"
    run(analyze, "security", "--offline=true", threshold, copy)


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_headrace_takes_what_the_unit_sets(unit: Path) -> None:
    (start,) = list_values(unit, "ExecStart")
    role = unit.stem.removeprefix("headrace-")
    assert start == f"/opt/headrace/bin/headrace {role}"
    settings = dict(one.split("=", 1) for one in list_values(unit, "Environment"))
    check_settings(role, settings)


def test_headrace_takes_what_the_page_sets_for_a_worker() -> None:
    settings = dict(re.findall(r"(HEADRACE_[A-Z]+)=([\w:]+)", PAGE))
    assert settings.keys() >= {"HEADRACE_COORDINATOR", "HEADRACE_DRAIN"}
    check_settings("worker", settings)


def test_a_worker_is_given_the_time_to_drain_and_to_report() -> None:
    (unit,) = (one for one in UNITS if one.stem == "headrace-worker")
    (drain,) = re.findall(r"HEADRACE_DRAIN=(\d+)s", unit.read_text())
    (stop,) = list_values(unit, "TimeoutStopSec")
    assert int(stop) > int(drain) + REPORT_SECONDS
    # Otherwise the slots were told to go as well, and nothing would be drained.
    assert list_values(unit, "KillMode") == ["mixed"]


def test_the_page_installs_every_unit_where_it_says_that_it_belongs() -> None:
    for unit in UNITS:
        assert unit.read_text().startswith(f"# /etc/systemd/system/{unit.name}:")
        assert f"deploy/systemd/{unit.name} /etc/systemd/system/" in PAGE
        (user,) = list_values(unit, "User")
        assert re.search(rf"^useradd .* {user}$", PAGE, re.MULTILINE)
