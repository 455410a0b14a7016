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


def test_ctrl_c_while_a_program_imports_headrace_is_a_keyboard_interrupt() -> None:
    program = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "datetime":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
try:
    from headrace import Pool
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path += {sys.path!r}; {program}"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
