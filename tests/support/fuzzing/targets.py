"""All targets, by name."""

from __future__ import annotations

from support.fuzzing.calls_target import CALLS_TARGET
from support.fuzzing.http_target import HTTP_TARGET
from support.fuzzing.picture_target import PICTURE_TARGET
from support.fuzzing.service_targets import SERVICE_TARGETS
from support.fuzzing.target import Target
from support.fuzzing.wire_targets import WIRE_TARGETS
from support.places import REPOSITORY

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (*WIRE_TARGETS, *SERVICE_TARGETS, PICTURE_TARGET, HTTP_TARGET, CALLS_TARGET)
}

#: What was found, a folder for each target: every file is an input that was a fault once.
CORPUS = REPOSITORY / "tests" / "unit" / "fuzzing" / "corpus"
