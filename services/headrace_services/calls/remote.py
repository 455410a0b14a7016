"""Errors of another machine, as a client raises them."""

from __future__ import annotations

from functools import lru_cache

from headrace_wire.errors import TaskFailedError

#: Classes that are kept by their remote name, so that one name is one class.
_KEPT_CLASSES = 256


class RemoteError(TaskFailedError):
    """A task raised an exception whose class is not known here.

    What is raised is a subclass with the name of that class; ``error_type`` is its full name.
    """

    code = "remote"
    error_type = ""

    def __init_subclass__(cls) -> None:
        # Not registered by code: these classes are made as names come in.
        pass


class RemoteTraceback(Exception):  # noqa: N818 - a traceback, which is shown as an exception's cause
    """The traceback of an exception that was raised on another machine."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


def make_remote_error(name: str, text: str) -> RemoteError:
    """Make an error of an exception's name, ``module:qualname``, and text."""
    return _make_class(name[:200])(text)


@lru_cache(_KEPT_CLASSES)
def _make_class(name: str) -> type[RemoteError]:
    module, _, qualname = name.replace("builtins:", "").rpartition(":")
    word = qualname.rpartition(".")[2]
    if not word.isidentifier():
        word = "RemoteError"
    namespace = {"error_type": f"{module}.{qualname}".lstrip("."), "__module__": module or __name__}
    return type(word, (RemoteError,), namespace)
