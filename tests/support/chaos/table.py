"""The table at the end of a chaos run: which faults were survived, and what was seen of them."""

from __future__ import annotations

from collections import Counter

from support.chaos.faults import LOSSES
from support.chaos.schedule import KINDS
from support.chaos.world import World

#: What the watched counters are called in the table.
COUNTERS = {
    "headrace_tasks_total": "tasks with an accepted outcome, as the metrics saw them",
    "headrace_failed_attempts_total": "failed attempts",
    "headrace_lease_expirations_total": "leases that expired",
    "headrace_outcomes_dropped_total": "outcomes dropped as late or repeated",
    "headrace_slot_restarts_total": "slots replaced",
}


def gather_seen(world: World) -> dict[str, Counter[str]]:
    """What was seen of each kind of fault, and how often."""
    lost: Counter[str] = Counter()
    for link in (*(seat.link for seat in world.seats), *(guest.link for guest in world.guests)):
        lost += link.lost
    seen = {kind: Counter(world.seen.get(kind, {})) for kind in KINDS}
    for kind, method in LOSSES.items():
        seen[kind]["replies lost"] += lost[method]
    return {kind: +counts for kind, counts in seen.items()}


def make_table(world: World) -> str:
    """Faults with how often they were injected and what was seen, then what the metrics saw."""
    lines = [f"{'fault':26} {'times':>5}  seen"]
    for kind, seen in gather_seen(world).items():
        text = ", ".join(f"{count} x {what}" for what, count in seen.items())
        lines.append(f"{kind:26} {world.injected[kind]:5}  {text}")
    lines.append("")
    for name, title in COUNTERS.items():
        parts = {
            what: grown for (series, what), grown in world.watch.growth.items() if series == name
        }
        by = ", ".join(f"{what} {grown}" for what, grown in parts.items() if what)
        lines.append(f"{sum(parts.values()):7}  {title}{f' ({by})' if by else ''}")
    memory = [rss_bytes for _, rss_bytes in world.watch.memory]
    if memory:
        lines.append(f"{max(memory) >> 20:7}  MiB at most in the coordinator")
    return "\n".join(lines)
