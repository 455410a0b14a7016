"""What a slot notices of modules on its disk."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from headrace_services.permits import EVERYTHING, Permits
from headrace_worker.slot.code_watch import LOOK_SECONDS, CodeWatch


def load(monkeypatch: pytest.MonkeyPatch, name: str, path: Path) -> None:
    path.write_text("old")
    module = ModuleType(name)
    module.__file__ = str(path)
    monkeypatch.setitem(sys.modules, name, module)


def test_a_changed_module_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    watch = CodeWatch(Permits(("shop", "bank:pay"), paths=(str(tmp_path / "lib"),)))
    (tmp_path / "lib").mkdir()
    files = {
        "shop.stock": tmp_path / "stock.py",
        "bank": tmp_path / "bank.py",
        "helper": tmp_path / "lib" / "helper.py",
    }
    for name, path in files.items():
        load(monkeypatch, name, path)
    load(monkeypatch, "stranger", tmp_path / "stranger.py")
    moment = 100.0
    assert not watch.has_changed(moment)
    watch.note()
    (tmp_path / "stranger.py").write_text("new text")
    assert not watch.has_changed(moment := moment + 1)
    for path in files.values():
        before = path.stat()
        path.write_text("new text")
        assert not watch.has_changed(moment + LOOK_SECONDS / 2)
        assert watch.has_changed(moment := moment + 1)
        path.write_text("old")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert not watch.has_changed(moment := moment + 1)
    path.unlink()
    assert not watch.has_changed(moment + 1)


def test_an_embedded_worker_watches_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    watch = CodeWatch(Permits((EVERYTHING,), paths=(str(tmp_path),)))
    load(monkeypatch, "shop", tmp_path / "shop.py")
    watch.note()
    (tmp_path / "shop.py").write_text("new text")
    assert not watch.has_changed(100.0)
