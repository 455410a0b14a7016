from __future__ import annotations

from typing import Any

import pytest

from headrace_wire.api import APIS, JobQueueApi
from headrace_wire.calling import (
    decode_answer,
    decode_arguments,
    decode_call,
    encode_call,
    encode_value,
)
from headrace_wire.encoding import pack
from headrace_wire.errors import ProtocolError
from headrace_wire.message import decode, dump
from headrace_wire.parts import join
from headrace_wire.signature import read_signatures
from support.wire_messages import make_example, read_methods

METHODS = [
    pytest.param(api, method, id=method) for api in APIS.values() for method in read_methods(api)
]


@pytest.mark.parametrize(("api", "method"), METHODS)
def test_arguments_and_answers_arrive_as_they_were_sent(api: type, method: str) -> None:
    signature = read_signatures(api)[method]
    hints, answer_hint = read_methods(api)[method]
    arguments = [make_example(hint) for hint in hints]
    call = decode_call(join(encode_call("name", method, signature.arguments(*arguments))))
    assert call[0].method == method
    assert decode_arguments(signature, *call) == tuple(arguments)
    answer = make_example(answer_hint)
    assert decode_answer(signature, join(encode_value(answer))) == answer


@pytest.mark.parametrize(("api", "method"), METHODS)
def test_malformed_arguments_are_a_protocol_error(api: type, method: str) -> None:
    signature = read_signatures(api)[method]
    good = [dump(make_example(one)) for one in read_methods(api)[method][0]]
    required = len(good) - len(signature.arguments.__struct_defaults__)
    malformed: list[list[Any]] = [[*good, None]]
    malformed += [good[:short] for short in range(required)]
    malformed += [[*good[:place], [[[]]], *good[place + 1 :]] for place in range(len(good))]
    for arguments in malformed:
        with pytest.raises(ProtocolError):
            decode(signature.arguments, pack(arguments))


@pytest.mark.parametrize(("api", "method"), METHODS)
def test_a_malformed_answer_is_a_protocol_error(api: type, method: str) -> None:
    with pytest.raises(ProtocolError):
        decode_answer(read_signatures(api)[method], pack(["#RETURN", [[[]]]]))


def test_nothing_but_public_methods_has_a_signature() -> None:
    class Api:
        def shown(self) -> int: ...  # type: ignore[empty-body] # read, never called

        def _hidden(self) -> int: ...  # type: ignore[empty-body] # read, never called

    assert set(read_signatures(Api)) == {"shown"}
    assert {"submit", "lease", "heartbeat"} < set(read_signatures(JobQueueApi))
    assert not any(name.startswith("_") for name in read_signatures(JobQueueApi))
