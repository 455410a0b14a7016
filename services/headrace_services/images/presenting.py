"""What a page shows of pictures: the first ones before and after, and an archive of all of them."""

from __future__ import annotations

import zipfile
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from headrace_services.images.gather import is_shared
from headrace_services.images.output import check_foreign_name
from headrace_services.images.payload import PictureValue, printable
from headrace_services.presentation import MOST_PICTURES, ShownPicture, Summary
from headrace_wire.printing import clean_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace_services.presentation import Presented
    from headrace_services.service import Parameters

#: The name of the archive.
ARCHIVE = "pictures.zip"

#: The date of everything in an archive, because it is not known when a picture was made.
_DATE = (1980, 1, 1, 0, 0, 0)

#: The maximum number of characters of a name that are shown.
_NAME_CHARACTERS = 200


def name_archive(parameters: Parameters) -> str:
    """Return the archive's name; "" if the workers have written the pictures elsewhere."""
    return "" if is_shared(parameters) else ARCHIVE


def summarize_pictures(about: Presented, values: Iterator[tuple[int, bytes]]) -> Summary:
    """Show the first pictures. Raises ValueError for anything that is not a picture's value."""
    first = islice(values, MOST_PICTURES)
    pictures = tuple(_show(PictureValue.decode(encoded)) for _, encoded in first)
    return Summary((("Pictures", f"{about.done:,}"),), pictures)


def write_archive(values: Iterator[tuple[int, bytes]], stream: BinaryIO) -> None:
    """Write all pictures as a ZIP archive, as they come. Raises ValueError."""
    names: set[str] = set()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for index, encoded in values:
            value = PictureValue.decode(encoded)
            if value.data is None:
                continue
            try:
                name = clean_line(printable(check_foreign_name(value.output)))
            except ValueError:
                name = f"picture-{index}"
            # Names may only differ in the case of letters, which some file systems ignore.
            if name.casefold() in names:
                name = f"{index}/{name}"
            names.add(name.casefold())
            archive.writestr(zipfile.ZipInfo(name, _DATE), value.data)


def _show(value: PictureValue) -> ShownPicture:
    before, after = value.before, value.after
    return ShownPicture(
        printable(value.output)[:_NAME_CHARACTERS],
        before.jpeg,
        after.jpeg,
        (before.width, before.height),
        (after.width, after.height),
        value.bytes_in,
        value.bytes_out,
    )
