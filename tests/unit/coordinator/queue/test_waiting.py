"""What jobs wait for, told of many at once."""

from __future__ import annotations

from collections import Counter
from math import inf

import pytest

from headrace_coordinator.queue.members import Member
from headrace_wire.messages.jobs import JobSpec
from support.queue_builders import Rig


def test_a_list_asks_each_worker_once_for_each_need(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    for number in range(30):
        rig.join(f"other-{number}", services=("images",))
    rig.join("able")
    for number in range(40):
        rig.submit(f"job-{number}")
    rig.lease("able")
    asked: Counter[str] = Counter()
    may_run = Member.may_run

    def count(member: Member, spec: JobSpec) -> bool:
        asked[member.info.id] += 1
        return may_run(member, spec)

    monkeypatch.setattr(Member, "may_run", count)
    listed = rig.queue.intake.list_jobs(inf, 100, rig.now)
    assert len(listed) == 40
    assert max(asked.values()) <= 2
