"""Any buffer is decoded as a message or refused; none crashes the process."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_messages import DIMS, PORTS, encoded, small_values

from soundstage.graph import wire

WHOLE = encoded().to_pybytes()


def test_arrow_buffer_that_is_not_a_message_is_refused():
    def stream(batch):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue()

    keys = {"_stream": pa.array(["a"]), "_chunk": pa.array([0], pa.int64())}
    for columns, reason in [
        ({"a": pa.array([1])}, "no key columns"),
        (keys | {"_chunk": pa.array([0.5])}, "no key columns"),
        (keys | {"_stream": pa.array([None], pa.utf8())}, "null values"),
        (keys | {"seed": pa.array([None], pa.int64())}, "null values"),
        (keys | {"texts": pa.array([[None]], pa.list_(pa.utf8()))}, "null values"),
        ({name: column[:0] for name, column in keys.items()}, "has no rows"),
    ]:
        with pytest.raises(wire.WireError, match=reason):
            wire.decode({}, stream(pa.record_batch(columns)), DIMS)
    assert wire.decode({}, stream(pa.record_batch(keys)), DIMS).streams == ("a",)
    empty = pa.BufferOutputStream()
    pa.ipc.new_stream(empty, pa.schema([])).close()
    with pytest.raises(wire.WireError, match="not a message"):
        wire.decode({}, empty.getvalue(), DIMS)


def read_all(damaged):
    """Reads every byte that a damaged buffer is decoded to; returns the refusal, or None."""
    try:
        decoded = wire.decode(PORTS, bytes(damaged), DIMS)
    except wire.WireError as error:
        return str(error)
    rows = len(decoded.streams)
    assert rows == len(decoded.chunks) > 0
    for name, value in decoded.values.items():
        assert len(value) == rows
        assert wire.equal(value, value[:]), name
        repr(value)
    # Decoded values fit their ports.
    wire.encode(PORTS, dict(decoded.values), decoded.streams, decoded.chunks, DIMS)
    return None


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage):
    assert read_all(garbage) is not None


@settings(max_examples=300)
@given(st.integers(0, len(WHOLE) - 1))
def test_truncated_message_is_refused_or_complete(length):
    refused = read_all(WHOLE[:length])
    if refused is None:
        decoded = wire.decode(PORTS, WHOLE[:length], DIMS)
        for name, value in small_values().items():
            assert wire.equal(decoded.values[name], value), name


@settings(max_examples=1000)
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(1, 255)), min_size=1))
def test_message_with_changed_bytes_is_refused_or_decoded_in_bounds(flips):
    damaged = bytearray(WHOLE)
    for place, bits in flips:
        damaged[place] ^= bits
    read_all(damaged)


def test_message_with_any_one_byte_inverted_does_not_crash():
    refused = 0
    for place in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[place] ^= 0xFF
        refused += read_all(damaged) is not None
    assert refused > len(WHOLE) // 2
