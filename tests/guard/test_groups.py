"""Tests that share a site run in one process: else each process would start a site of its own."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("kept_together")
def test_tests_of_a_group_are_kept_together(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("loadgroup", default=False):
        pytest.skip("groups are for tests in parallel, with --dist loadgroup")
    assert request.node.nodeid.endswith("@kept_together"), "pytest-xdist tells them apart by this"
    composed = [one for one in request.session.items if one.get_closest_marker("compose")]
    assert all(one.nodeid.endswith("@compose") for one in composed), "they share one project"


def test_fixtures_of_a_folder_end_with_it(request: pytest.FixtureRequest) -> None:
    """In a folder that is no package, pytest keeps fixtures of scope "package" to the very end."""
    tests = request.config.rootpath / "tests"
    shared = [path for path in tests.rglob("conftest.py") if 'scope="package"' in path.read_text()]
    assert shared
    assert [path for path in shared if not (path.parent / "__init__.py").exists()] == []
