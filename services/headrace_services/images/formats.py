"""The five picture formats: how they are named, and how they are told apart by their first bytes.

Bytes are sniffed here rather than by libvips, whose own list of loaders also holds SVG, PDF and
ImageMagick: nothing but these five is ever given a file from outside.
"""

from __future__ import annotations

from pathlib import PurePosixPath

#: The words for the formats, in and out.
FORMATS = ("jpeg", "png", "webp", "tiff", "gif")

#: Other words that people use for them.
ALIASES = {"jpg": "jpeg", "tif": "tiff"}

#: How the formats are written in messages.
TITLES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "tiff": "TIFF", "gif": "GIF"}

#: File name suffixes, lower case, by which pictures in folders are picked.
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

#: The suffix that an output of each format gets where its name has another's.
SUFFIX_OF_FORMAT = {
    "jpeg": ".jpg",
    "png": ".png",
    "webp": ".webp",
    "tiff": ".tiff",
    "gif": ".gif",
}

#: As many first bytes as sniffing needs.
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
    """Tell a picture's format by its first ``SNIFF_BYTES`` bytes; None for any other kind."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            # Canon's raw files are TIFF by their first bytes, but what a TIFF reader finds in
            # them is a preview.
            return None if head[8:10] == b"CR" and name == "tiff" else name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return None


def format_of_name(name: str) -> str | None:
    """Tell the format that a file's name promises, or None where it promises none of ours."""
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
    """Read a format's word, in any case and with the usual aliases.

    Raises ValueError naming the formats there are.
    """
    wanted = ALIASES.get(word.lower(), word.lower())
    if wanted not in FORMATS:
        raise ValueError(f"format {word!r} is not known: choose one of {', '.join(FORMATS)}")
    return wanted
