"""The units in docs/operations.md, as systemd reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.places import REPOSITORY

PAGE = (REPOSITORY / "docs" / "operations.md").read_text()

#: The units by name.
UNITS = dict(re.findall(r"```ini\n# /etc/systemd/system/(\S+)\n(.*?)```", PAGE, re.DOTALL))

#: In tenths. A worker runs the code of others, which may need much; above 7.0 a unit is "exposed".
MOST_EXPOSURE = 65


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: it comes with systemd")
    # That is asked for what is not installed here.
    unit = UNITS[name].replace("/opt/headrace/bin/headrace", "/bin/true")
    (tmp_path / name).write_text(unit)
    # A warning is on standard error, and is no failure.
    assert run(analyze, "verify", tmp_path / name) == ""
    threshold = f"--threshold={MOST_EXPOSURE}"
    run(analyze, "security", "--offline=true", threshold, tmp_path / name)


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr
