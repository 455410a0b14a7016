"""The five picture formats: their names, and how their first bytes tell them apart.

The first bytes are examined here instead of by libvips, because libvips also has loaders for SVG,
PDF and ImageMagick: a file from outside is only opened if it has one of these five formats.
"""

from __future__ import annotations

from pathlib import PurePosixPath

#: The names of the formats, for input and output.
FORMATS = ("jpeg", "png", "webp", "tiff", "gif")

#: Other common names for them.
ALIASES = {"jpg": "jpeg", "tif": "tiff"}

#: How the formats are written in messages.
TITLES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "tiff": "TIFF", "gif": "GIF"}

#: File name suffixes, in lower case, by which the pictures in a folder are selected.
SUFFIXES = {
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".png": "png",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".gif": "gif",
}

#: The suffix that the output in each format gets if its name has the suffix of another format.
SUFFIX_OF_FORMAT = {
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "tiff": ".tiff",
    "gif": ".gif",
}

#: How many of the first bytes are needed to recognise a format.
SNIFF_BYTES = 12

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
)


def sniff_format(head: bytes) -> str | None:
    """Return a picture's format by its first ``SNIFF_BYTES`` bytes; None for any other kind."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            # Canon's raw files begin like TIFF files, but a TIFF reader only finds a preview in
            # them.
            return None if head[8:10] == b"CR" and name == "tiff" else name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return None


def format_of_name(name: str) -> str | None:
    """Return the format that a file's name stands for, or None if it stands for none of ours."""
    return SUFFIXES.get(PurePosixPath(name).suffix.lower())


def rename_for_format(name: str, file_format: str) -> str:
    """Give a name the format's suffix, unless it has one of the format's suffixes already."""
    own = format_of_name(name)
    if own == file_format:
        return name
    suffix = SUFFIX_OF_FORMAT[file_format]
    path = PurePosixPath(name)
    return str(path.with_suffix(suffix)) if own else name + suffix


def parse_format(word: str) -> str:
    """Return the format for a word, in any case and including the usual aliases.

    Raises ValueError, which lists the formats that exist.
    """
    wanted = ALIASES.get(word.lower(), word.lower())
    if wanted not in FORMATS:
        raise ValueError(f"format {word!r} is not known: choose one of {', '.join(FORMATS)}")
    return wanted
