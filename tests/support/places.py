"""Where the repository's own files are."""

from __future__ import annotations

from pathlib import Path

#: The top of the checkout.
REPOSITORY = Path(__file__).resolve().parents[2]
