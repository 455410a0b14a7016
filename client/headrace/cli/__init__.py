"""The command line: ``headrace``."""

from __future__ import annotations

#: As in ``typing``; see ``headrace``.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:  # ``signal`` imports ``enum``, which takes longer than everything before ``main``
    import _signal

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Ctrl-C while it is still being loaded ends it like any program, without a traceback.
    """
    before = _signal.getsignal(_signal.SIGINT)
    if before is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from headrace.cli import entry  # noqa: PLC0415 - see above

    if before is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, before)
    entry.main(arguments)
