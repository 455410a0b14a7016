"""``images blur``, ``sharpen``, ``edges``, ``grayscale``, ``thumbnail`` and ``convert``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headrace.cli.groups import Group
from headrace.cli.kinds import FormatKind, PathKind
from headrace.cli.options import Decorator, JobOptions, combine, job_options, option
from headrace.cli.session import carry_out
from headrace_services.images.formats import ALIASES, FORMATS
from headrace_services.images.options import DEFAULT_MAX_MEGAPIXELS, DEFAULT_RADIUS

#: What each operation does, and the options that only it has.
OPERATIONS: dict[str, tuple[str, list[Decorator]]] = {
    "blur": (
        "Blur pictures, as Pillow's GaussianBlur does.",
        [
            option(
                "--radius",
                type=click.FloatRange(0),
                default=DEFAULT_RADIUS,
                show_default=True,
                help="Standard deviation in pixels.",
            )
        ],
    ),
    "sharpen": ("Sharpen pictures, as Pillow's SHARPEN does.", []),
    "edges": ("Find edges, as Pillow's FIND_EDGES does.", []),
    "grayscale": ("Make pictures grey.", []),
    "thumbnail": (
        "Make small pictures; none is made larger.",
        [
            option(
                "--size",
                default="256",
                show_default=True,
                metavar="N|WxH",
                help="The box in pixels that a thumbnail fits into.",
            )
        ],
    ),
    "convert": ("Write pictures in another format.", []),
}

picture_options = combine(
    [
        option("--recursive", is_flag=True, help="Take pictures in subfolders too."),
        option(
            "--format",
            "file_format",
            type=FormatKind(FORMATS, ALIASES),
            help="Format of the output. [default: that of OUTPUT's name, or the input's]",
        ),
        option("--quality", type=click.IntRange(1, 100), help="For JPEG and WebP."),
        option(
            "--max-megapixels",
            type=click.FloatRange(0, min_open=True),
            default=DEFAULT_MAX_MEGAPIXELS,
            show_default=True,
            help="Refuse larger pictures before they are decoded.",
        ),
        option(
            "--shared",
            is_flag=True,
            help="Send paths instead of pictures: workers see the same files.",
        ),
    ]
)


def make_images_group(*, embedded: bool) -> click.Group:
    """The group for ``run`` (embedded) or ``submit``."""

    @click.group(cls=Group)
    def images() -> None:
        """Filter and convert batches of pictures.

        INPUT is a file or a folder of JPEG, PNG, WebP, TIFF or GIF pictures. OUTPUT is a folder,
        which is made when it does not exist; for one picture it may be a file, such as out.jpg.
        Each picture appears whole or not at all.
        """

    for operation, (text, own_options) in OPERATIONS.items():
        decorate = combine([*own_options, picture_options, job_options(embedded=embedded)])
        images.command(operation, help=text)(decorate(_make_callback(operation)))
    return images


def _make_callback(operation: str) -> Callable[..., None]:
    @click.argument("inputs", nargs=-1, metavar="INPUT...", type=_path())
    @click.argument("output", metavar="OUTPUT", type=_path())
    def callback(inputs: tuple[Path, ...], output: Path, **rest: Any) -> None:
        from headrace_services.images import plan  # noqa: PLC0415 - quick start

        if not inputs:
            raise click.UsageError(
                f"{str(output)!r} alone is not enough: name the pictures, and then where their "
                "copies go"
            )
        options = JobOptions.take(rest)
        carry_out("images", plan(operation, inputs, output, **rest), options, output)

    return callback


def _path() -> PathKind:
    return PathKind(path_type=Path)
