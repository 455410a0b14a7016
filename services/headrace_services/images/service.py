"""The images service: each task processes one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from headrace_services.images.formats import format_of_name, rename_for_format
from headrace_services.images.gather import find_output_dir, gather_pictures, is_shared
from headrace_services.images.libvips import load_libvips, name_engine
from headrace_services.images.options import OPERATIONS, Options
from headrace_services.images.payload import (
    MAX_CARRIED_BYTES,
    PictureInput,
    PictureValue,
    printable,
    read_source,
)
from headrace_services.images.preview import make_preview
from headrace_services.images.roots import read_shared, write_shared
from headrace_services.permits import Permits, RefusedError
from headrace_services.presentation import MOST_PICTURES, Summary
from headrace_services.service import Gathered, Parameters, Target, TaskRunner
from headrace_wire.errors import TaskFailedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace_services.presentation import Presented

#: The maximum number of characters of a task's description.
_LONGEST_DESCRIPTION = 200


class PictureRunner(Struct, frozen=True):
    """Runs the tasks of one job in a slot. ``previews`` is how many of the first pictures get
    previews.

    Raises TaskFailedError, whose message begins with the file's name, for a picture that cannot be
    read, decoded, encoded or (if ``shared``) written.
    """

    options: Options
    output_dir: Path
    shared: bool
    roots: tuple[str, ...] = ()
    previews: int = 0

    def __call__(self, index: int, task_input: bytes | None) -> bytes:
        picture = PictureInput.decode(task_input)
        try:
            return self._run(picture, with_previews=index < self.previews).encode()
        except RefusedError as error:
            raise RefusedError(f"{printable(picture.source)}: {error}") from None
        except (ValueError, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            raise TaskFailedError(f"{printable(picture.source)}: {reason}") from error

    def _run(self, picture: PictureInput, *, with_previews: bool) -> PictureValue:
        from headrace_services.images.decoding import recognise  # noqa: PLC0415 -- slots only
        from headrace_services.images.picture import process  # noqa: PLC0415 -- slots only

        data = self._read(picture)
        file_format = self.options.file_format or format_of_name(picture.output) or recognise(data)
        processed = process(data, file_format, self.options)
        encoded, dropped = processed.data, processed.frames_dropped
        previews = (make_preview(data), make_preview(encoded)) if with_previews else ()
        if self.shared:
            name = rename_for_format(picture.output, file_format)
            write_shared(self.roots, str(self.output_dir), name, encoded)
            return PictureValue(name, None, len(data), len(encoded), dropped, *previews)
        if len(encoded) > MAX_CARRIED_BYTES:
            raise ValueError(
                f"its result of {len(encoded) >> 20} MiB is too large for the queue: use --shared"
            )
        return PictureValue(picture.output, encoded, len(data), len(encoded), dropped, *previews)

    def _read(self, picture: PictureInput) -> bytes:
        match picture.kind, picture.content:
            case "data", bytes() as data:
                return data
            case "path", str() as path:
                if not self.shared:
                    raise ValueError("only shared jobs read files by path")
                return read_shared(self.roots, path)
            case _, content:
                raise ValueError(str(content))


class ImagesService:
    """blur, sharpen, edges, grayscale, thumbnail and convert, with libvips."""

    name = "images"
    operations = OPERATIONS

    def __init__(self) -> None:
        self._permits = Permits()

    def permit(self, permits: Permits) -> None:
        """Note where files may be read and written. Before this is called, none may."""
        self._permits = permits

    def engine(self) -> str:
        return name_engine()

    def prepare(self, operation: str, parameters: Parameters) -> TaskRunner:
        options = Options.from_parameters(operation, parameters)
        options = replace(options, ceiling_pixels=self._permits.max_pixels)
        load_libvips()
        return PictureRunner(
            options,
            find_output_dir(parameters),
            is_shared(parameters),
            self._permits.roots,
            MOST_PICTURES if parameters.get("previews") is True else 0,
        )

    def describe(
        self,
        operation: str,  # noqa: ARG002 - required by the protocol
        parameters: Parameters,  # noqa: ARG002 - as above
        index: int,
        task_input: bytes | None,
    ) -> str:
        try:
            source = printable(read_source(task_input or b""))
        except ValueError:
            return f"picture {index}"
        if len(source) <= _LONGEST_DESCRIPTION:
            return source
        return "…" + source[1 - _LONGEST_DESCRIPTION :]

    def is_ordered(self, operation: str) -> bool:  # noqa: ARG002 - required by the protocol
        return False

    def gather(
        self,
        operation: str,  # noqa: ARG002 - required by the protocol
        parameters: Parameters,
        values: Iterator[tuple[int, bytes]],
        target: Target,
    ) -> Gathered:
        """Write pictures as they come under ``target.path``, or where the plan says.

        If the plan says that a single picture goes to a file, it is written to ``target.path``
        itself, unless that is a folder. The names are those of the plan. If the job was submitted
        elsewhere, they are those in the values, as far as they are names of pictures, and
        ``target.path`` is required.

        Raises OutputError if no picture can be written there (for example because the disk is full
        or permission is missing). If only some pictures cannot be written, they are listed in
        ``problems``. Shared pictures are only counted: they are where the plan said, and nothing is
        written here.
        """
        if target.format is not None:
            raise UsageError("pictures are in the format that their job was submitted with")
        return gather_pictures(parameters, values, target)

    def name_download(self, operation: str, parameters: Parameters) -> str:
        """Return the name of the archive of a job's pictures."""
        from headrace_services.images.presenting import (  # noqa: PLC0415 -- only for pages
            name_archive,
        )

        del operation
        return name_archive(parameters)

    def summarize(self, about: Presented, values: Iterator[tuple[int, bytes]]) -> Summary:
        """Show the first pictures, before and after. Raises ValueError for an invalid value."""
        from headrace_services.images.presenting import (  # noqa: PLC0415 -- only for pages
            summarize_pictures,
        )

        return summarize_pictures(about, values)

    def write_download(
        self, about: Presented, values: Iterator[tuple[int, bytes]], stream: BinaryIO
    ) -> None:
        """Write the pictures as an archive. Raises ValueError for an invalid value."""
        from headrace_services.images.presenting import (  # noqa: PLC0415 -- only for pages
            write_archive,
        )

        del about
        write_archive(values, stream)


IMAGES = ImagesService()
