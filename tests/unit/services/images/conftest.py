from __future__ import annotations

from pathlib import Path

import pytest

from support.photographs import PhotographsUnavailableError, fetch


@pytest.fixture(scope="session")
def photographs(request: pytest.FixtureRequest) -> list[Path]:
    """Twenty real photographs, fetched once and kept in pytest's cache."""
    cache = request.config.cache
    assert cache is not None
    try:
        return fetch(Path(cache.mkdir("photographs")))
    except PhotographsUnavailableError as error:
        pytest.skip(f"no photographs: {error}")
