"""A screen that asks the coordinator repeatedly, even after that was unreachable for a while."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer

from headrace.cli.printing import explain
from headrace.cli.top.application import find_app
from headrace.cli.top.dialogs import Question, Reading
from headrace.cli.top.help_text import HELP
from headrace.cli.top.plain_text import PlainText
from headrace_wire.errors import HeadraceError, KeyRefusedError, NotAllowedError
from headrace_wire.printing import clean_line
from headrace_wire.timeouts import Limit

if TYPE_CHECKING:
    from headrace.cli.top.view import View

#: How many seconds the result of an action is shown.
SAID_SECONDS = 10.0

#: How many seconds a look may take. If it takes longer, this is reported, and it is repeated.
LOOK_SECONDS = 10.0


class PollingScreen(Screen[str]):
    """Calls ``look`` repeatedly. Its last lines show what went wrong, and what was done.

    It has a PlainText with the id ``trouble`` and one with the id ``said``.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,h", "help", "Help", key_display="?"),
    ]

    def __init__(self, view: View, interval: float) -> None:
        super().__init__()
        self.view = view
        self._interval = interval
        self._again = asyncio.Event()
        self._forgetting: Timer | None = None

    async def look(self) -> None:
        """Ask the coordinator, and show what it answers. Raises HeadraceError."""
        raise NotImplementedError

    def describe_trouble(self) -> str:
        """Return which trouble the coordinator itself has; "" for none."""
        return ""

    def on_mount(self) -> None:
        self.say("")
        self.tell_trouble("")
        self.run_worker(self._watch(), exit_on_error=True)

    def on_screen_resume(self) -> None:
        """Look at once, because the screen is outdated after another screen was shown."""
        self._again.set()

    def look_soon(self) -> None:
        """Look now instead of after the interval."""
        self._again.set()

    def say(self, line: str) -> None:
        """Show the result of an action, for a limited time, because the state changes meanwhile."""
        if self._forgetting:
            self._forgetting.stop()
        self._forgetting = self.set_timer(SAID_SECONDS, self._forget_said) if line else None
        self._show_line("#said", line)

    def _forget_said(self) -> None:
        self._forgetting = None
        self._show_line("#said", "")

    def tell_trouble(self, line: str) -> None:
        """Show what is wrong, for as long as it is."""
        self._show_line("#trouble", f"! {line}" if line else "")

    async def _watch(self) -> None:
        while True:
            if self.is_current:
                try:
                    await self._look_once()
                except NoMatches:
                    return  # the screen is being removed, and its parts are gone already
            try:
                async with asyncio.timeout(self._interval):
                    await self._again.wait()
            except TimeoutError:
                pass
            self._again.clear()

    async def _look_once(self) -> None:
        try:
            with Limit.after(LOOK_SECONDS).applied():
                await self.look()
        except HeadraceError as error:
            if _is_refusal(error):
                self.view.refusal = error
                find_app(self).exit(error.exit_code)
                return
            self.tell_trouble(f"{explain(error)}; trying again")
        else:
            self.tell_trouble(self.describe_trouble())

    def _show_line(self, where: str, line: str) -> None:
        shown = self.query_one(where, PlainText)
        shown.show_text(clean_line(line))
        shown.display = bool(line)

    def action_help(self) -> None:
        find_app(self).push_screen(Reading("headrace top", HELP))

    def ask(self, question: str, answer: Coroutine[Any, Any, str]) -> None:
        """Ask, do it if the answer is yes, and show the result."""
        self.run_worker(self._ask_and_act(question, answer))

    async def _ask_and_act(self, question: str, answer: Coroutine[Any, Any, str]) -> None:
        with contextlib.closing(answer):
            if not await find_app(self).push_screen_wait(Question(question)):
                self.say("nothing is changed")
                return
            self.say("…")
            said = await answer
        if self.is_attached:
            self.say(said)
            self._again.set()


def _is_refusal(error: HeadraceError) -> bool:
    """Return whether the coordinator will never accept this key, however often it tries."""
    if isinstance(error, KeyRefusedError):
        return not error.may_pass
    return isinstance(error, NotAllowedError)
