"""Arrow messages that unpack to more than they are."""

import pyarrow as pa
import pytest

from soundstage.graph.plain_ipc import NotPlain, PlainStream

ZEROS = pa.record_batch([pa.array([0] * 100_000, pa.int64())], names=["a"])


def stream(batch: pa.RecordBatch, compression: str | None = None) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
        writer.write_batch(batch)
    return sink.getvalue()


def test_plain_batches_are_read_as_arrow_reads_them():
    assert [batch.equals(ZEROS) for batch in PlainStream(stream(ZEROS))] == [True, True]
    empty = pa.record_batch([pa.array([], pa.utf8())], names=["b"])
    assert [batch.equals(empty) for batch in PlainStream(stream(empty))] == [True, True]


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_batch_is_refused_without_unpacking_it(compression):
    packed = stream(ZEROS, compression)
    assert packed.size < ZEROS.nbytes / 50
    before = pa.total_allocated_bytes()
    with pytest.raises(NotPlain, match="compressed"):
        next(iter(PlainStream(packed)))
    assert pa.total_allocated_bytes() - before < packed.size


def test_stream_that_starts_with_another_message_is_refused():
    data = stream(ZEROS).to_pybytes()
    schema = pa.ipc.read_message(data)
    behind = data[8 + schema.metadata.size + (-schema.metadata.size) % 8 :]
    with pytest.raises(pa.ArrowInvalid):
        PlainStream(behind)


def test_dictionary_is_refused():
    words = pa.array(["x" * 1000] * 1000).dictionary_encode()
    with pytest.raises(NotPlain, match="dictionary"):
        next(iter(PlainStream(stream(pa.record_batch([words], names=["a"])))))


def test_every_damaged_byte_gives_an_error_or_a_valid_batch():
    small = pa.record_batch([pa.array(["one", "two"])], names=["a"])
    data = stream(small).to_pybytes()
    for index in range(len(data)):
        damaged = bytearray(data)
        damaged[index] ^= 0x41
        try:
            batches = list(PlainStream(bytes(damaged)))
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            continue
        for batch in batches:
            batch.to_pylist()
