"""Files of pictures: made here, or real photographs."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.photographs import PhotographsUnavailableError, fetch
from support.pictures import encode, make_picture

#: Formats of pictures by the suffixes of their files.
FORMATS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}


@pytest.fixture(scope="session")
def photographs(request: pytest.FixtureRequest) -> list[Path]:
    """Twenty real photographs, fetched once and kept in pytest's cache."""
    cache = request.config.cache
    assert cache is not None
    try:
        return fetch(Path(cache.mkdir("photographs")))
    except PhotographsUnavailableError as error:
        pytest.skip(f"no photographs: {error}")


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Five files, three of which are whole pictures."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "sub/c.webp"):
        (folder / name).write_bytes(encode(make_picture(), FORMATS[Path(name).suffix]))
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:700])
    (folder / "empty.png").touch()
    return folder
