"""Where workers and clients look for a key that nobody has named."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from headrace_wire.key import ensure_key
from support.commands import Process, Shell

#: A program that looks at a cluster, in Python.
LOOK = """
import sys
from headrace import Cluster
with Cluster(sys.argv[1]) as cluster:
    print(len(cluster.workers()))
"""

#: A function that says what a task could connect with.
TELL = (
    "import os\ndef tell(_):\n    return sorted(key for key in os.environ if 'HEADRACE' in key)\n"
)


def test_the_folder_in_the_environment_is_everybodys(shell: Shell, tmp_path: Path) -> None:
    """All three are started at once, in a home that has the key of another coordinator."""
    usual = shell.home / ".local/state/headrace"
    usual.mkdir(parents=True)
    ensure_key(usual / "key")
    (tmp_path / "told.py").write_text(TELL)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ending:
        address = f"unix:{folder}/socket"
        data = tmp_path / "data"
        shell.settings |= {
            "HEADRACE_COORDINATOR": address,
            "HEADRACE_DATA": str(data),
            "HEADRACE_ALLOW": "told",
            "HEADRACE_PATH": str(tmp_path),
        }
        worker = Process(shell, "worker", "--slots", "1")
        ending.callback(worker.stop)
        assert f"no key is at {data / 'key'} yet" in worker.wait_for("no key is at")
        coordinator = Process(shell, "coordinator", "--bind", address, "--no-http")
        ending.callback(coordinator.stop)
        worker.wait_for(f"coordinator {address}")
        done = shell.run("submit", "map", "told:tell", "-", stdin="1\n")
        assert done.code == 0, done.err
        names = json.loads(done.out)["value"]
        assert not {"HEADRACE_DATA", "HEADRACE_KEY_FILE"} & set(names)
        looked = subprocess.run(
            [sys.executable, "-c", LOOK, address],
            check=False, capture_output=True, text=True, env=shell.environment,
        )  # fmt: skip
        assert (looked.stdout, looked.stderr) == ("1\n", "")
        # What names the file goes before what names the folder.
        for words, settings in (
            (["--key-file", str(usual / "key")], {}),
            ([], {"HEADRACE_KEY_FILE": str(usual / "key")}),
        ):
            other = Shell(shell.home, shell.settings | settings).run("jobs", *words)
            assert other.code == 77
            assert "holds another key" in other.err
        # A folder without a key, for instance of a coordinator with --key-file, is no obstacle.
        (usual / "key").write_bytes((data / "key").read_bytes())
        elsewhere = Shell(shell.home, {**shell.settings, "HEADRACE_DATA": str(tmp_path / "none")})
        assert elsewhere.run("workers").code == 0
        assert elsewhere.run("health").code == 0
        # Without any key, all places are told.
        (usual / "key").unlink()
        for words in (["jobs"], ["worker"], ["web"], ["health"]):
            lost = elsewhere.run(*words)
            assert (lost.code, lost.err.count("\n")) == (77, 1)
            assert f"no key at {tmp_path / 'none' / 'key'}, nor at {usual / 'key'}" in lost.err
            assert "HEADRACE_DATA" not in lost.err
        assert worker.stop() == 0


@pytest.mark.any_python
def test_help_says_where_a_key_is_looked_for(shell: Shell) -> None:
    for command in ("submit primes count", "worker", "jobs"):
        said = " ".join(shell.run(*command.split(), "--help").out.split())
        assert "key in the folder HEADRACE_DATA, or in the user's state folder" in said
