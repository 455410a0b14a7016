"""Errors of another machine, as a client raises them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from headrace_wire.errors import TaskFailedError
from headrace_wire.failures import explain_exit

#: How many classes are kept by their remote name, so that one name is one class.
_KEPT_CLASSES = 256


class RemoteError(TaskFailedError):
    """A task raised an exception whose class is not known here.

    What is raised is a subclass with the name of that class; ``error_type`` is its full name.
    """

    code = "remote"
    error_type = ""

    def __init_subclass__(cls) -> None:
        # These are not registered by code, because they are made when a name arrives.
        pass


def make_traceback(text: str) -> Exception:
    """Make the cause of an error: the traceback that it had on the other machine."""
    from multiprocessing import pool  # noqa: PLC0415 - takes a while to import

    # typeshed does not know the class.
    made: Exception = cast("Any", pool).RemoteTraceback(f'\n"""\n{text}"""')
    return made


def make_remote_error(name: str, text: str) -> RemoteError:
    """Make an error from an exception's name, ``module:qualname``, and text."""
    return _make_class(name[:200])(explain_exit(text) if name == "builtins:SystemExit" else text)


@lru_cache(_KEPT_CLASSES)
def _make_class(name: str) -> type[RemoteError]:
    module, _, qualname = name.replace("builtins:", "").rpartition(":")
    word = qualname.rpartition(".")[2]
    if not word.isidentifier():
        word = "RemoteError"
    namespace = {"error_type": f"{module}.{qualname}".lstrip("."), "__module__": module or __name__}
    return type(word, (RemoteError,), namespace)
