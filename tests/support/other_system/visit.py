"""Load every module of the project, show the help of every command, and prepare calls.

For an interpreter that takes its system for another one: see ``sitecustomize`` beside this.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import sys
from collections.abc import Iterator

import click

from headrace.cli.entry import headrace
from headrace_services.calls.plan import plan_apply, plan_map
from headrace_services.calls.transport import open_result
from headrace_services.calls.values import pack_value

ROOMS = [f"headrace_{room}" for room in ("wire", "services", "coordinator", "worker")]

#: Modules that are loaded where there is a fork server alone, and programs.
NOT_LOADED = (".fork_server", ".fork_launcher", ".__main__")

#: Libraries of extras, which need not be there.
EXTRAS = ("dask", "distributed", "opentelemetry", "ray")


def load_all() -> int:
    """Load all modules, and count them."""
    found = 0
    for room in (*ROOMS, "headrace"):
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name.endswith(NOT_LOADED):
                continue
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name not in EXTRAS:
                    raise
            found += 1
    return found


def list_helps(command: click.Command, parent: click.Context | None) -> Iterator[str]:
    """The help of a command and of all below it."""
    context = click.Context(command, info_name=command.name, parent=parent)
    yield command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child, name
            yield from list_helps(child, context)


def prepare_calls() -> None:
    """Plan calls, and seal and open one."""
    assert plan_apply(math.gcd, (12, 18)).parameters["function"]
    assert len(list(plan_map(math.sqrt, range(7)).inputs or ())) == 7
    assert open_result("msgpack", pack_value((1, "two", {3: (4.0,)}))) == (1, "two", {3: (4.0,)})


if __name__ == "__main__":
    modules = load_all()
    helps = list(list_helps(headrace, None))
    prepare_calls()
    print(sys.platform, modules, "modules", len(helps), "commands")
