"""Arrow messages from elsewhere, refused before they unpack to more than they are.

Arrow may compress the buffers of a record batch, and may replace values by indices into a
dictionary: a message of some kilobytes then becomes gigabytes in memory. Nothing here writes such
messages, so none is read. pyarrow tells neither of a message, so its metadata, a flatbuffer of
Arrow's `Message.fbs`, is read here.
"""

import struct
from collections.abc import Iterator

import pyarrow as pa

from soundstage.errors import Error

# Kinds of messages with data, of the union `MessageHeader`.
DICTIONARY, BATCH = 2, 3
# Numbers of fields: of `Message`, and of `RecordBatch`.
HEADER_TYPE, HEADER, COMPRESSION = 1, 2, 3


class NotPlain(Error, pa.ArrowInvalid):
    """An Arrow message is compressed or has dictionaries."""


def refuse_packed(message: pa.ipc.Message) -> None:
    """Refuses a message that unpacks to more than its size.

    Raises:
        NotPlain: the message is compressed or has dictionaries.
        pa.ArrowInvalid: its metadata is damaged.
    """
    data = message.metadata.to_pybytes()
    try:
        root = _number("<I", data, 0)
        at = _field(data, root, HEADER_TYPE)
        kind = data[at] if at else 0
        if kind == DICTIONARY:
            raise NotPlain("a column has a dictionary, which no file of soundstage has")
        header = _field(data, root, HEADER)
        if kind != BATCH or not header:
            return
        if _field(data, header + _number("<I", data, header), COMPRESSION):
            raise NotPlain("its values are compressed, which no file of soundstage is")
    except (struct.error, IndexError) as error:
        raise pa.ArrowInvalid("the metadata of a message is damaged") from error


class PlainStream:
    """The record batches of an Arrow stream, each refused if it is packed.

    Iteration yields the batches, validated: Arrow trusts the offsets in a buffer, and would read a
    damaged one out of bounds. It raises `NotPlain`, or another `pa.ArrowException` or `OSError` if
    the stream is damaged.

    Attributes:
        schema: of all batches.
    """

    def __init__(self, source: pa.NativeFile | pa.Buffer | bytes) -> None:
        """Reads the schema.

        Args:
            source: from where the stream starts.

        Raises:
            pa.ArrowException: there is no schema, or it is damaged.
        """
        self._reader = pa.ipc.MessageReader.open_stream(source)
        try:
            self.schema = schema_of(self._reader.read_next_message())
        except StopIteration as error:
            raise pa.ArrowInvalid("there is no schema") from error

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for message in self._reader:
            yield plain_batch(message, self.schema)


def schema_of(message: pa.ipc.Message) -> pa.Schema:
    """Reads a schema. pyarrow reads a message of another kind out of bounds.

    Raises:
        pa.ArrowInvalid: the message is no schema, or is damaged.
    """
    if message.type != "schema":
        raise pa.ArrowInvalid(f"a schema is expected, not a {message.type}")
    return pa.ipc.read_schema(message)


def plain_batch(message: pa.ipc.Message, schema: pa.Schema) -> pa.RecordBatch:
    """Reads and validates one record batch.

    Raises:
        NotPlain: the batch is compressed or has dictionaries.
        pa.ArrowException: it is damaged.
    """
    refuse_packed(message)
    if message.type != "record batch":
        raise pa.ArrowInvalid(f"a record batch is expected, not a {message.type}")
    batch = pa.ipc.read_record_batch(message, schema)
    batch.validate(full=True)
    return batch


def _field(data: bytes, table: int, number: int) -> int:
    """Returns the position of a field of a flatbuffer's table; 0 = the table lacks it."""
    fields = table - _number("<i", data, table)
    slot = 4 + 2 * number
    if fields < 0 or slot >= _number("<H", data, fields):
        return 0
    offset = _number("<H", data, fields + slot)
    return table + offset if offset else 0


def _number(format: str, data: bytes, at: int) -> int:
    number: int = struct.unpack_from(format, data, at)[0]
    return number
