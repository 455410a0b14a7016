"""How workers did over the last hour."""

from __future__ import annotations

from headrace_coordinator.queue.members import Member
from headrace_coordinator.serving.worker_pasts import MAX_CPU_PERCENT, WorkerPasts
from headrace_wire.messages.views import STEPS_KEPT
from support.queue_builders import Rig


def make_members(*workers: str) -> dict[str, Member]:
    rig = Rig()
    for worker in workers:
        rig.join(worker)
    return rig.queue.state.members


def test_each_worker_has_points_from_when_it_came() -> None:
    pasts, members = WorkerPasts(), make_members("a", "b")
    late = members.pop("b")
    members["a"].busy, members["a"].cpu_percent, members["a"].rss_bytes = 1, 50.0, 1 << 40
    pasts.take(members, 10.0)
    members["b"] = late
    pasts.take(members, 20.0)
    assert [point.at for point in pasts.list_points("a")] == [10.0, 20.0]
    assert [point.at for point in pasts.list_points("b")] == [20.0]
    first = pasts.list_points("a")[0]
    assert (first.busy, first.cpu_percent, first.rss_bytes) == (1, 50.0, 1 << 40)


def test_who_has_gone_is_forgotten() -> None:
    pasts, members = WorkerPasts(), make_members("a")
    pasts.take(members, 10.0)
    pasts.take({}, 20.0)
    assert pasts.list_points("a") == ()
    pasts.take(members, 30.0)
    assert [point.at for point in pasts.list_points("a")] == [30.0]


def test_an_hour_is_remembered_whatever_a_worker_claims() -> None:
    pasts, members = WorkerPasts(), make_members("a")
    members["a"].busy, members["a"].cpu_percent = 2**62, 1e308
    members["a"].rss_bytes = 2**63 - 1
    for step in range(STEPS_KEPT + 5):
        pasts.take(members, float(step))
    points = pasts.list_points("a")
    assert [points[0].at, points[-1].at] == [5.0, STEPS_KEPT + 4.0]
    assert len(points) == STEPS_KEPT
    assert (points[-1].busy, points[-1].cpu_percent) == (2, MAX_CPU_PERCENT)
