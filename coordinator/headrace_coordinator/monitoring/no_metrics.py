"""What takes the place of metrics where nobody can read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from headrace_coordinator.ledger.ledger import Ledger
from headrace_coordinator.serving.shared_objects import SharedObjects
from headrace_wire.address import Address
from headrace_wire.messages import Sample

if TYPE_CHECKING:
    from headrace_coordinator.monitoring.http import HttpServer


class NoMetrics:
    """Has the methods of the metrics, and keeps nothing.

    A coordinator that serves no HTTP, such as that of an embedded pool, does without
    prometheus-client, which takes about as much memory as the rest of it.
    """

    def watch(self, ledger: Ledger, shared: SharedObjects) -> None:
        """Show the state of this ledger and of shared objects at each scrape."""

    def note_commit(self, seconds: float) -> None:
        """Note how long a commit took."""

    def note_bytes(self, received: int, sent: int) -> None:
        """Note how many bytes went over the network."""

    def note_samples(self, worker: str, number: int, samples: Sequence[Sample]) -> None:
        """Note the samples of a worker's report."""

    def serve(
        self,
        address: Address | None,
        find_problem: Callable[[], str],
        find_held: Callable[[], str],
    ) -> HttpServer | None:
        """Return the server of the metrics, if there is an address for it; see ``HttpServer``."""
        del address, find_problem, find_held
        return None
