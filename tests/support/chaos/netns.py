"""Network namespaces, where root and ``ip`` allow: a worker behind a cable that can be pulled.

    worker ─ [namespace: 10.x.y.2] ═ veth pair ═ [10.x.y.1: a relay's link] ─► coordinator

Names are of this process and counted, so that two runs at a time don't meet. Whoever makes a
namespace removes it with ``remove``.
"""

from __future__ import annotations

import os
import subprocess
from itertools import count

#: Counts the namespaces of this process.
NUMBERS = count()

#: Seconds for one ``ip`` command.
IP_SECONDS = 10


class NamespaceError(Exception):
    """This machine or user cannot have namespaces."""


class Namespace:
    """One namespace and its cable. Raises NamespaceError when it cannot be had."""

    def __init__(self) -> None:
        number = next(NUMBERS)
        self.name = f"hr{os.getpid()}-{number}"
        self._cable = f"hr{os.getpid()}v{number}"
        # A network of four addresses in 10.128/9, of which no other run on this machine has one.
        block = (os.getpid() * 64 + number % 64) % (1 << 21)
        base = (10 << 24) + (1 << 23) + block * 4
        self.host = _show_address(base + 1)
        self.peer = _show_address(base + 2)
        try:
            self._make()
        except NamespaceError:
            self.remove()
            raise

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command that is to run inside; it becomes that command."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Pull the cable."""
        _run("link", "set", self._cable, "down")

    def heal(self) -> None:
        """Plug it in again."""
        _run("link", "set", self._cable, "up")

    def remove(self) -> None:
        """Take away what was made, as far as it was."""
        for words in (("link", "del", self._cable), ("netns", "del", self.name)):
            subprocess.run(["ip", *words], check=False, capture_output=True, timeout=IP_SECONDS)

    def _make(self) -> None:
        inner = f"{self._cable}p"
        _run("netns", "add", self.name)
        _run("link", "add", self._cable, "type", "veth", "peer", "name", inner)
        _run("link", "set", inner, "netns", self.name)
        _run("addr", "add", f"{self.host}/30", "dev", self._cable)
        _run("link", "set", self._cable, "up")
        _run("-n", self.name, "addr", "add", f"{self.peer}/30", "dev", inner)
        _run("-n", self.name, "link", "set", inner, "up")
        _run("-n", self.name, "link", "set", "lo", "up")


def list_leftovers() -> list[str]:
    """Namespaces and cables of this process that are still there."""
    mine = f"hr{os.getpid()}"
    try:
        listed = _run("netns", "list") + _run("-o", "link", "show")
    except NamespaceError:
        return []
    return [word for word in listed.replace(":", " ").split() if word.startswith(mine)]


def _show_address(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def _run(*words: str) -> str:
    try:
        done = subprocess.run(
            ["ip", *words], check=False, capture_output=True, text=True, timeout=IP_SECONDS
        )
    except OSError as error:
        raise NamespaceError(f"there is no ip command here: {error}") from None
    if done.returncode:
        raise NamespaceError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout
