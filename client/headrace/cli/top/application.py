"""The application to which a part of its screens belongs, with its type."""

from __future__ import annotations

from typing import cast

from textual.app import App
from textual.message_pump import MessagePump


def find_app(part: MessagePump) -> App[int]:
    """Return the application. In textual, its type is not complete."""
    return cast("App[int]", part.app)  # pyright: ignore[reportUnknownMemberType]
