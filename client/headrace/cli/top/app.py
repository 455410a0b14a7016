"""The application: its first screen, its style, and how it ends."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from headrace.cli.stopping import STOP_SIGNALS
from headrace.cli.top.main_screen import MainScreen
from headrace_wire.errors import EXIT_INTERRUPTED
from headrace_wire.system.signals import LOOPS_TAKE_SIGNALS

if TYPE_CHECKING:
    from headrace.cli.top.view import View

#: It uses the terminal's own colours, so that it suits a light and a dark background.
STYLE = """
* { background: ansi_default; color: ansi_default; }
#head { height: auto; text-style: bold; text-wrap: nowrap; text-overflow: ellipsis; }
#trouble { height: auto; text-style: reverse; }
#said, #count, #failed-about { height: auto; }
#filter { height: 1; border: none; }
Listing { height: 1fr; scrollbar-size: 1 1; overflow-x: hidden; }
Listing > .datatable--header { background: ansi_default; color: ansi_default; text-style: bold; }
Listing > .datatable--cursor { background: ansi_default; color: ansi_default; text-style: reverse; }
ContentSwitcher, TabbedContent, TabPane, Log, VerticalScroll { height: 1fr; }
TabPane { padding: 0; }
Question, Reading { align: center middle; }
#box { border: ascii ansi_default; padding: 0 1; }
Question #box { width: 70; max-width: 100%; height: auto; }
Reading #box { width: 100%; height: 100%; }
"""


class TopApp(App[int]):
    """Shows a cluster until the user quits."""

    CSS = STYLE
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def __init__(self, view: View, interval: float, where: str) -> None:
        super().__init__(ansi_color=True)
        self.animation_level = "none"  # every frame would be sent over the network
        self._view = view
        self._interval = interval
        self._where = where

    def on_mount(self) -> None:
        self.push_screen(MainScreen(self._view, self._interval, self._where))

    def end_by_signals(self) -> None:
        """Restore the terminal when a signal comes. An event loop must be running."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            if LOOPS_TAKE_SIGNALS and signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self.exit, 128 + number)

    def action_interrupt(self) -> None:
        self.exit(EXIT_INTERRUPTED)
