"""Commands of other packages under ``run`` and ``submit``, also of those that are broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

import click
import pytest
from click.shell_completion import ShellComplete

from headrace.cli import plugins
from headrace.cli.entry import headrace
from headrace.commands import carry_out
from headrace_services.service import Plan
from support.said import say

#: Makes a package of this name known, with a module ``NAME_commands`` of this text and commands of
#: these names, which are all called ``tool`` there.
Install = Callable[..., None]

TOOL = """
import click
from headrace.commands import CommandGroup, JobCommand, carry_out, output_option

@click.group(cls=CommandGroup)
def tool():
    '''Saw and plane.'''

@tool.command(cls=JobCommand)
@click.argument("planks", type=int)
@output_option
def saw(planks, output):
    '''Saw planks.'''
    raise ValueError(f"{planks} planks are too many")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    def install(package: str, text: str, *names: str) -> None:
        metadata = tmp_path / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        lines = [f"{name} = {package}_commands:tool" for name in names]
        (metadata / "entry_points.txt").write_text("\n".join(["[headrace.commands]", *lines]))
        (tmp_path / f"{package}_commands.py").write_text(text)
        forget()

    def forget() -> None:
        plugins._find_entries.cache_clear()
        plugins.load_plugin.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield install
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "import no_saw",
            "cannot be loaded: ModuleNotFoundError: No module named 'no_saw'",
        ),
        ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
        ("raise ValueError('two\\nlines')", "cannot be loaded: ValueError: two lines"),
        ("tools = 3", "cannot be loaded: AttributeError: "),
        ("def tool(): pass", "cannot be used: {package}_commands:tool is of the type function"),
    ],
    ids=str,
)
def test_a_broken_package_is_told_of_in_one_line_and_leaves_all_else_alone(
    text: str, told: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    package = f"broken{crc32(text.encode())}"
    install(package, text, "blunt")
    told = f"of {package} 1.0 {told.format(package=package)}"
    said = say(capsys, "run", "blunt", "--help")
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert line.startswith(f"headrace run: 'blunt' {told}")
    shown = say(capsys, "submit", "--help")
    assert (shown.code, shown.err) == (0, "")
    assert f"(broken) {told}" in " ".join(shown.out.split())
    assert "Call your own function" in shown.out
    assert say(capsys, "run", "primes", "--help").code == 0
    complete = ShellComplete(headrace, {}, "headrace", "_HEADRACE_COMPLETE")
    assert "primes" in [item.value for item in complete.get_completions(["run"], "")]


def test_a_name_that_is_taken_is_told_of_and_keeps_its_meaning(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("carpenter", TOOL, "primes", "wood")
    install("joiner", TOOL, "wood")
    shown = say(capsys, "run", "--help").out
    lines = " ".join(shown.split())
    assert "Left out: 'primes' of carpenter 1.0: the name is taken by a built-in command." in lines
    assert "Left out: 'wood' of joiner 1.0: carpenter 1.0 has one of that name." in lines
    assert shown.count("  wood ") == 1
    assert "Find, count and test primes" in say(capsys, "run", "primes", "--help").out


def test_nobody_looks_for_packages_where_none_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def look() -> None:
        raise AssertionError("what other packages bring was looked for")

    monkeypatch.setattr(plugins, "_find_entries", look)
    for words in ("--help", "jobs --help", "run primes --help", "submit map --help"):
        assert say(capsys, *words.split()).code == 0


def test_commands_have_the_options_of_jobs_and_are_suggested_as_built_in_ones_are(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("turner", TOOL, "wood")
    here = say(capsys, "run", "wood", "saw", "--help").out
    there = say(capsys, "submit", "wood", "saw", "--help").out
    assert "--slots" in here
    assert "--slots" not in there
    assert "--coordinator" in there
    for option in ("--output", "--timeout", "--json"):
        assert option in here
        assert option in there
    assert here.index("--output") < here.index("--slots") < here.index("--help")
    assert "Did you mean 'saw'?" in say(capsys, "run", "wood", "sae").err
    assert "Did you mean 'wood'?" in say(capsys, "submit", "wod").err
    assert "Did you mean 'run wood' or 'submit wood'?" in say(capsys, "wood").err
    assert say(capsys, "run", "wood").code == 2


def test_a_value_error_of_a_command_is_one_line(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("planer", TOOL, "wood")
    said = say(capsys, "run", "wood", "saw", "99")
    assert (said.code, said.err) == (2, "headrace: 99 planks are too many\n")


def test_an_option_that_all_jobs_have_is_refused(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TOOL.replace("@output_option", '@output_option\n@click.option("--name")')
    install("namer", text, "wood")
    said = say(capsys, "run", "wood", "saw", "99")
    assert said.code == 1
    assert said.err.startswith("headrace run wood saw: the command has a parameter name, and so ")


def test_a_group_of_clicks_own_shows_its_help_when_it_is_called_alone(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("cooper", TOOL.replace("(cls=CommandGroup)", "()"), "wood")
    said = say(capsys, "run", "wood")
    assert "\n  saw  Saw planks." in said.out + said.err


def test_a_job_is_carried_out_by_a_command_of_jobs_alone() -> None:
    @click.command()
    def saw() -> None:
        carry_out("wood", Plan("saw", {}, 1))

    with pytest.raises(TypeError, match="by a command of the class JobCommand"):
        saw.main([], standalone_mode=False)
