"""The command line within the test's own process, for what needs no cluster."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from headrace.cli.entry import main


@dataclass
class Said:
    """What a command said, and its exit code."""

    code: int | str | None
    out: str
    err: str


def say(capsys: pytest.CaptureFixture[str], *words: str) -> Said:
    """Run ``headrace`` with these words."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    said = capsys.readouterr()
    return Said(ended.value.code, said.out, said.err)
