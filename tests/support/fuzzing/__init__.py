"""What must stand whatever bytes arrive, and the inputs that it is tried with.

    hypothesis ─► Target.inputs ─┐
    atheris    ─► any bytes ─────┼─► Target.check: raises only what is a fault
    corpus     ─► what was found ┘

``tests/unit/fuzzing`` tries each target for a moment, and ``make fuzz`` for as long as one likes.
"""
