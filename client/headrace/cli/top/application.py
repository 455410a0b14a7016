"""The application that something on its screens belongs to, with its type."""

from __future__ import annotations

from typing import cast

from textual.app import App
from textual.message_pump import MessagePump


def find_app(part: MessagePump) -> App[int]:
    """The application: textual does not say what it returns."""
    return cast("App[int]", part.app)  # pyright: ignore[reportUnknownMemberType]
