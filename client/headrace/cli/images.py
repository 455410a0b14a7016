"""``images blur``, ``sharpen``, ``edges``, ``grayscale``, ``thumbnail`` and ``convert``."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headrace.cli.groups import Group
from headrace.cli.kinds import FormatKind, PathKind
from headrace.cli.numbers import CountKind
from headrace.cli.options import (
    Decorator,
    JobOptions,
    combine,
    job_options,
    option,
    overwrite_option,
)
from headrace.cli.session import carry_out
from headrace.written_files import WrittenFiles
from headrace_services.images.formats import ALIASES, FORMATS
from headrace_services.images.options import DEFAULT_MAX_MEGAPIXELS, DEFAULT_RADIUS
from headrace_services.service import Outputs
from headrace_wire.bounds import quote
from headrace_wire.errors import UsageError

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
        option("--recursive", is_flag=True, help="Read pictures in subfolders, too."),
        option(
            "--format",
            "file_format",
            type=FormatKind(FORMATS, ALIASES),
            help="Format of the output. [default: that of OUTPUT's name, or the input's]",
        ),
        option("--quality", type=CountKind(1, 100), help="Quality of JPEG and WebP."),
        option(
            "--max-megapixels",
            type=click.FloatRange(0, min_open=True),
            default=DEFAULT_MAX_MEGAPIXELS,
            show_default=True,
            help="Refuse larger pictures before they are decoded.",
        ),
        overwrite_option,
        option(
            "--shared",
            is_flag=True,
            help="Send paths instead of pictures: workers see the same files.",
        ),
    ]
)


def make_images_group(*, embedded: bool) -> click.Group:
    """Make the group for ``run`` (embedded) or ``submit``."""

    @click.group(cls=Group)
    def images() -> None:
        """Filter and convert batches of pictures.

        INPUT is a file or a folder of JPEG, PNG, WebP, TIFF or GIF pictures. OUTPUT is a folder,
        which is made if it does not exist. For a single picture, a new name with a suffix, such as
        out.jpg, is a file. Each picture is written completely or not at all.
        """

    for operation, (text, own_options) in OPERATIONS.items():
        decorate = combine([*own_options, picture_options, job_options(embedded=embedded)])
        images.command(operation, help=text)(decorate(_make_callback(operation)))
    return images


def _make_callback(operation: str) -> Callable[..., None]:
    @click.argument("inputs", nargs=-1, metavar="INPUT...", type=_path())
    @click.argument("output", metavar="OUTPUT", type=_path(readable=False))
    def callback(inputs: tuple[Path, ...], output: Path, overwrite: bool, **rest: Any) -> None:
        from headrace_services.images import plan  # noqa: PLC0415 - quick start

        if not inputs:
            raise click.UsageError(
                f"{str(output)!r} alone is not enough: name the pictures, and then where their "
                "copies go"
            )
        options = JobOptions.take(rest)
        # An embedded cluster has no page that could show them.
        has_page = options.connection is not None
        planned = plan(operation, inputs, output, previews=has_page, **rest)
        if planned.outputs is not None and not overwrite:
            _refuse_taken(planned.outputs)
        carry_out("images", planned, options, output, overwrite=overwrite)

    return callback


def _refuse_taken(outputs: Outputs) -> None:
    """Raise UsageError if files would be replaced that headrace has not written."""
    made = WrittenFiles()
    taken: list[Path] = []
    for name in outputs.names:
        place = outputs.folder / name
        try:
            found = os.lstat(place)
        except OSError:  # it does not exist, or an error will be reported later
            continue
        if not stat.S_ISDIR(found.st_mode) and not made.is_ours(place, found):
            taken.append(place)
    if taken:
        others = f", and {len(taken) - 1:,} others," if len(taken) > 1 else ""
        raise UsageError(
            f"{quote(str(taken[0]))}{others} would be replaced: choose another output folder, or "
            "add --overwrite"
        )


def _path(*, readable: bool = True) -> PathKind:
    return PathKind(path_type=Path, readable=readable)
