"""Who comes in, and who goes when places run short."""

from __future__ import annotations

import pytest

from headrace_wire.admission import Admission, ServerLimits, find_block
from headrace_wire.errors import BusyError
from headrace_wire.roles import CLIENT, WORKER, Role

LIMITS = ServerLimits(max_connections=8, max_pending=8, worker_reserve=2)


class Hall:
    """An admission whose connections are numbers, with idle times that a test sets."""

    def __init__(self) -> None:
        self.idle: dict[int, float] = {}
        self.admission = Admission[int](LIMITS, lambda who: self.idle.get(who, 0.0))
        self.next = 0

    def enter(self, host: str) -> tuple[int, int | None]:
        self.next += 1
        return self.next, self.admission.enter(self.next, host)

    def prove(self, host: str, role: Role = CLIENT) -> tuple[int, int | None]:
        who, _ = self.enter(host)
        return who, self.admission.prove(who, role)


@pytest.fixture
def hall() -> Hall:
    return Hall()


def test_the_oldest_pending_connection_goes_for_a_newcomer(hall: Hall) -> None:
    assert [hall.enter(f"10.0.0.{host}")[1] for host in range(8)] == [None] * 8
    assert [hall.enter(f"10.0.1.{host}")[1] for host in range(3)] == [1, 2, 3]
    assert hall.admission.pending == 8


def test_one_address_may_have_all_places_that_nobody_else_wants(hall: Hall) -> None:
    assert [hall.enter("10.0.0.1")[1] for _ in range(8)] == [None] * 8


def test_an_address_with_more_than_its_share_gives_way_first(hall: Hall) -> None:
    first = [hall.enter("10.0.0.1")[0] for _ in range(2)]
    many = [hall.enter("10.0.0.2")[0] for _ in range(6)]
    gone = [hall.enter(f"10.0.1.{host}")[1] for host in range(5)]
    assert gone == [*many[:4], first[0]], "the share of 10.0.0.2 is two, and then the oldest goes"


def test_an_address_with_its_share_gives_way_to_itself(hall: Hall) -> None:
    for host in range(6):
        hall.enter(f"10.0.1.{host}")
    first, second = hall.enter("10.0.0.1")[0], hall.enter("10.0.0.1")[0]
    assert [hall.enter("10.0.0.1")[1] for _ in range(3)] == [first, second, second + 1]


def test_whoever_left_has_its_place_free(hall: Hall) -> None:
    for _ in range(8):
        hall.enter("10.0.0.1")
    hall.admission.leave(3)
    hall.admission.leave(3)
    assert hall.enter("10.0.0.2")[1] is None
    assert hall.enter("10.0.0.3")[1] == 1


def test_a_proven_connection_never_goes_for_one_that_is_not(hall: Hall) -> None:
    for _ in range(6):
        who, _ = hall.prove("10.0.0.1")
        hall.idle[who] = 100.0
    gone = [hall.enter("10.0.0.9")[1] for _ in range(100)]
    assert all(one is None or one > 6 for one in gone)
    assert (hall.admission.pending, hall.admission.proven) == (8, 6)


def test_the_proven_connection_that_nobody_used_for_longest_goes_for_another(hall: Hall) -> None:
    for _ in range(6):
        hall.prove("10.0.0.1")
    hall.idle = {2: 3.0, 4: 7.0, 5: 0.1}
    assert hall.prove("10.0.0.2")[1] == 4
    assert hall.prove("10.0.0.2")[1] == 2
    with pytest.raises(BusyError, match="6 are in use"):
        hall.prove("10.0.0.1")


def test_for_somebody_else_an_address_with_half_of_all_gives_one_up(hall: Hall) -> None:
    for _ in range(6):
        hall.prove("10.0.0.1")
    assert hall.prove("10.0.0.2")[1] == 1, "though it is in use"
    with pytest.raises(BusyError):
        hall.prove("10.0.0.1")


def test_workers_have_places_that_no_other_takes_and_do_not_go(hall: Hall) -> None:
    worker, _ = hall.prove("10.0.0.1", WORKER)
    hall.idle[worker] = 100.0
    for _ in range(5):
        hall.prove("10.0.0.1")
    with pytest.raises(BusyError):
        hall.prove("10.0.0.1")
    assert [hall.prove("10.0.0.1", WORKER)[1] for _ in range(2)] == [None, None]
    with pytest.raises(BusyError):
        hall.prove("10.0.0.1", WORKER)


def test_the_oldest_pending_connection_is_shed_when_something_else_runs_short(hall: Hall) -> None:
    hall.prove("10.0.0.1")
    hall.enter("10.0.0.1")
    assert [hall.admission.shed() for _ in range(2)] == [[2], []]


def test_newcomers_of_one_turn_do_not_put_each_other_off(hall: Hall) -> None:
    assert 1 <= hall.admission.accepts < LIMITS.max_pending / 4


@pytest.mark.parametrize(
    ("host", "block"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_addresses_that_count_as_one(host: str, block: str) -> None:
    assert find_block(host) == block
