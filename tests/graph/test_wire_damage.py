"""A buffer from anywhere is a message, or is refused: it never takes the process down."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_messages import DIMS, PORTS, encoded, said

from soundstage.graph import wire

WHOLE = encoded().to_pybytes()


def test_an_arrow_buffer_that_is_no_message_is_refused():
    def stream(batch):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue()

    keys = {"_stream": pa.array(["a"]), "_chunk": pa.array([0], pa.int64())}
    for columns, reason in [
        ({"a": pa.array([1])}, "no key columns"),
        (keys | {"_chunk": pa.array([0.5])}, "no key columns"),
        (keys | {"_stream": pa.array([None], pa.utf8())}, "lacks values"),
        (keys | {"seed": pa.array([None], pa.int64())}, "lacks values"),
        (keys | {"texts": pa.array([[None]], pa.list_(pa.utf8()))}, "lacks values"),
        ({name: column[:0] for name, column in keys.items()}, "no stream"),
    ]:
        with pytest.raises(wire.WireError, match=reason):
            wire.decode({}, stream(pa.record_batch(columns)), DIMS)
    assert wire.decode({}, stream(pa.record_batch(keys)), DIMS).streams == ("a",)
    empty = pa.BufferOutputStream()
    pa.ipc.new_stream(empty, pa.schema([])).close()
    with pytest.raises(wire.WireError, match="not a message"):
        wire.decode({}, empty.getvalue(), DIMS)


def read_all(damaged):
    """Touches every byte of what a damaged buffer is read as; refusals are what we hope for."""
    try:
        heard = wire.decode(PORTS, bytes(damaged), DIMS)
    except wire.WireError as error:
        return str(error)
    rows = len(heard.streams)
    assert rows == len(heard.chunks) > 0
    for name, value in heard.values.items():
        assert len(value) == rows
        assert wire.equal(value, value[:]), name
        repr(value)
    # What can be read can be said again: it fits its ports.
    wire.encode(PORTS, dict(heard.values), heard.streams, heard.chunks, DIMS)
    return None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage):
    assert read_all(garbage) is not None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1))
def test_a_message_cut_short_is_refused_or_whole(length):
    refused = read_all(WHOLE[:length])
    if refused is None:
        heard = wire.decode(PORTS, WHOLE[:length], DIMS)
        assert all(wire.equal(heard.values[name], value) for name, value in said().items())


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1))
def test_a_message_with_wrong_bytes_is_refused_or_read_within_its_bounds(flips):
    damaged = bytearray(WHOLE)
    for place, bits in flips:
        damaged[place] ^= bits
    read_all(damaged)


def test_every_byte_of_a_message_may_be_wrong():
    refused = 0
    for place in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[place] ^= 0xFF
        refused += read_all(damaged) is not None
    assert refused > len(WHOLE) // 2
