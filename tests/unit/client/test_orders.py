"""What the children of an embedded cluster are told."""

from __future__ import annotations

import pytest

from headrace.child.orders import Order
from headrace_services.permits import Permits
from headrace_worker.link.program import Program


@pytest.mark.parametrize(
    "order",
    [
        Order("/tmp/headrace-x"),
        Order(
            "/tmp/ä \udcff\n'",
            "unix:/tmp/ä \udcff\n'/socket",
            slots="2x",
            start_method="spawn",
            max_tasks=3,
            permits=Permits(("*",), pickle=True, paths=("/a b", "/\udcff")),
            program=Program(("/here", "/no text \udc80"), "/there:/else"),
            show_output=True,
        ),
    ],
)
def test_an_order_is_read_as_it_was_written_whatever_folders_are_called(order: Order) -> None:
    assert Order.read(order.write()) == order
    assert order.write().isascii()
