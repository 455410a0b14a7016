"""A process that imports nothing more which its user may change."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from headrace_worker.machine import real_paths
from headrace_worker.sealing import seal_imports


def test_only_what_nobody_could_change_is_imported_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writable = tmp_path / "writable"
    for folder in (writable, tmp_path / "package", tmp_path):
        folder.mkdir(exist_ok=True)
    (writable / "left_by_a_task.py").touch()
    (writable / "imported_before.py").touch()
    (tmp_path / "nobody_s.py").touch()
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / "package" / "inner.py").touch()
    changeable = {str(writable), str(tmp_path / "package" / "inner.py")}
    monkeypatch.setattr(real_paths, "may_change", changeable.__contains__)
    monkeypatch.setattr(sys, "path", [str(writable), str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    importlib.invalidate_caches()
    import_module = importlib.import_module
    before = import_module("imported_before")
    seal_imports()
    with pytest.raises(ImportError, match="tasks may have changed module left_by_a_task, in /"):
        import_module("left_by_a_task")
    with pytest.raises(ImportError, match=r"module package.inner"):
        import_module("package.inner")
    assert import_module("nobody_s")
    assert import_module("imported_before") is before
    with pytest.raises(ModuleNotFoundError):
        import_module("nowhere_to_be_found")
