"""One coordinator with a page for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.web_site import WebSite, open_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    with open_site(tmp_path_factory.mktemp("site")) as site:
        yield site
