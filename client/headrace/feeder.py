"""The thread of an ``imap`` that reads its iterable, as far ahead as the window permits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from headrace.outcomes import UnorderedIterator
from headrace.streams.stream import Stream
from headrace.window import Window
from headrace_services.calls import CallOptions


def start_feeder(
    options: CallOptions,
    arguments: Iterator[Any],
    stream: Stream,
    iterator: UnorderedIterator[Any],
    window: Window,
) -> None:
    """Start a thread that puts the iterable's items into the stream and then ends the iterator."""
    feeder = threading.Thread(
        target=_feed,
        args=(options, arguments, stream, iterator, window),
        name="headrace-feeder",
        daemon=True,
    )
    try:
        feeder.start()
    except BaseException:  # interrupted: it is unknown whether the thread runs
        window.close()
        stream.cancel()
        raise


def _feed(
    options: CallOptions,
    arguments: Iterator[Any],
    stream: Stream,
    iterator: UnorderedIterator[Any],
    window: Window,
) -> None:
    """Encode the items of the generator and put them into the stream, as the window permits."""
    count = 0
    try:
        for argument in arguments:
            if not window.enter():
                return
            item = options.seal_value(argument, f"item {count}")
            del argument
            window.learn(1, len(item), is_far=stream.lanes.are_long)
            stream.put(item)
            count += 1
    except BaseException as error:  # noqa: BLE001 - the iterator raises the generator's error
        iterator.take(count, [(False, error)])
        count += 1
    iterator.expect(count)
    stream.close()
