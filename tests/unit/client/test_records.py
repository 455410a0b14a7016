"""Records of files: what is read, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.records import read_records
from headrace_wire.errors import UsageError


@pytest.mark.parametrize("deep", ["[" * 301 + "]" * 301, '{"a":' * 301 + "1" + "}" * 301,
                                  "[" * 900 + "]" * 900, "[" * 100_000 + "]" * 100_000],
                         ids=["arrays", "objects", "deeper", "deepest"])  # fmt: skip
def test_a_record_that_is_nested_too_deep_is_refused_with_its_line(
    tmp_path: Path, deep: str
) -> None:
    (tmp_path / "r.jsonl").write_text(f"1\n{deep}\n")
    records = read_records(tmp_path / "r.jsonl")
    assert next(records) == 1
    with pytest.raises(UsageError, match=r"r\.jsonl, line 2: nested too deep"):
        next(records)


@pytest.mark.parametrize("line", ["[" * 300 + "]" * 300, "[" + "[]," * 1000 + "[]]", '"[[[["'])
def test_a_record_of_many_parts_is_taken(tmp_path: Path, line: str) -> None:
    (tmp_path / "r.jsonl").write_text(line)
    assert len(list(read_records(tmp_path / "r.jsonl"))) == 1
