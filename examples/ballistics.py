"""How far a ball flies: the function that parameter_sweep.py has called."""

from __future__ import annotations

import math

#: Seconds between two moments of a flight.
STEP_SECONDS = 0.0005

#: What pulls a ball down, in metres per second squared.
GRAVITY = 9.81


def fly(angle_degrees: float, speed: float, drag: float) -> float:
    """Fly until it is on the ground again. Returns how far, in metres."""
    if drag < 0:
        raise ValueError(f"the air does not push: drag {drag}")
    x = y = 0.0
    angle = math.radians(angle_degrees)
    right, up = speed * math.cos(angle), speed * math.sin(angle)
    while y >= 0.0:
        slower = drag * math.hypot(right, up)
        right -= slower * right * STEP_SECONDS
        up -= (GRAVITY + slower * up) * STEP_SECONDS
        x += right * STEP_SECONDS
        y += up * STEP_SECONDS
    return x
