"""Executor.shutdown's example: four files are copied before the with statement ends."""

from __future__ import annotations

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

#: Where it runs: on two threads of this machine, or on the cluster at an address.
WHERE: Any = sys.argv[1] if sys.argv[1:] else 2

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "src1.txt").write_text("some words")
        with ThreadPoolExecutor(max_workers=WHERE) as e:
            e.submit(shutil.copy, str(folder / "src1.txt"), str(folder / "dest1.txt"))
            e.submit(shutil.copy, str(folder / "src1.txt"), str(folder / "dest2.txt"))
            e.submit(shutil.copy, str(folder / "src1.txt"), str(folder / "dest3.txt"))
            e.submit(shutil.copy, str(folder / "src1.txt"), str(folder / "dest4.txt"))
        print(sorted(path.name for path in folder.iterdir()))
        print((folder / "dest4.txt").read_text())

    with ThreadPoolExecutor(max_workers=WHERE) as executor:
        future = executor.submit(pow, 323, 1235)
        print(future.result() % 1_000_007)
    try:
        executor.submit(pow, 323, 1235)
    except RuntimeError as error:
        print(error)
    executor.shutdown()

    executor = ThreadPoolExecutor(WHERE)
    later = executor.submit(pow, 2, 10)
    executor.shutdown(wait=False)
    print(later.result(timeout=20))
    for wrong in (0, -1):
        try:
            ThreadPoolExecutor(wrong)
        except ValueError as error:
            print(error)
