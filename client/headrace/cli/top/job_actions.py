"""The keys for actions on a job, for the screens that have one."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from headrace.cli.top.actions import CANCEL, DELETE, REPLAY, RETRY, Action, carry_out
from headrace.cli.top.polling import PollingScreen
from headrace_wire.messages.jobs import JobStatus


class JobActions(PollingScreen):
    """A screen on which a job can be acted on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "act('Cancel')", "Cancel"),
        Binding("r", "act('Retry')", "Retry"),
        Binding("p", "act('Replay')", "Replay"),
        Binding("d", "act('Delete')", "Delete"),
    ]

    def find_job(self) -> JobStatus | None:
        """Return the job that an action is about, if there is one."""
        raise NotImplementedError

    def after_deletion(self, said: str) -> None:
        """Handle the end of a job that was deleted. ``said`` is the message about it."""

    def action_act(self, word: str) -> None:
        """Ask, and do it if the answer is yes."""
        action = next(one for one in (CANCEL, RETRY, REPLAY, DELETE) if one.word == word)
        status = self.find_job()
        if status is None:
            self.say("there is no job to do that with")
            return
        if needless := action.find_needless(status):
            self.say(needless)
            return
        self.ask(action.ask(status), self._carry_out(action, status.id))

    async def _carry_out(self, action: Action, job: str) -> str:
        said, is_done = await carry_out(action, self.view.jobs, job)
        if action is DELETE and is_done:
            self.after_deletion(said)
        return said
