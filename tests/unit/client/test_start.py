"""How the command line begins."""

from __future__ import annotations

import subprocess
import sys


def test_little_is_loaded_before_ctrl_c_ends_the_command_line_without_a_traceback() -> None:
    program = "import sys; from headrace.cli import main; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}; {program}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert not {"typing", "re", "enum", "signal", "importlib", "click", "msgspec"} & loaded
