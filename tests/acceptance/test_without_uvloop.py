"""Where uvloop is not installed, asyncio's own event loop does the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.commands import PROBE, Process, open_site


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_a_worker_works_drains_and_leaves(tmp_path: Path, start_method: str) -> None:
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "uvloop.py").write_text("raise ImportError('it is not installed')\n")
    with open_site(tmp_path, workers=0) as site:
        site.shell.settings["PYTHONPATH"] = f"{missing}:{PROBE}"
        worker = Process(
            site.shell, "worker", "--slots", "1", "--start-method", start_method,
            "--coordinator", f"localhost:{site.port}", "--max-tasks", "2",
        )  # fmt: skip
        site.workers.append(worker)
        done = site.shell.run("submit", "primes", "count", "0", "1000000", "--span", "250000")
        assert (done.code, done.out) == (0, "78498\n"), done.err
        assert worker.stop() == 0, worker.lines
        assert any("finishing what runs" in line for line in worker.lines)
