"""Messages between stages, each encoded as one Arrow buffer.

A message is a `pyarrow.RecordBatch`: one column a port, one row a stream, after two key columns
with the stream and the chunk of each row. Reading a buffer copies nothing; the arrays are read-only
views of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa

from soundstage.errors import Error
from soundstage.graph.plain_ipc import PlainStream
from soundstage.graph.port import DTYPES, Port, Tensor

# Arrow has no bfloat16: its bits are sent as uint16, and the field's metadata says so.
BFLOAT16 = np.dtype("bfloat16")
_STORED = {dtype: dtype for dtype in DTYPES} | {"bfloat16": "uint16"}
_STORED_AS = {"bfloat16": {"dtype": "bfloat16"}}
# The bytes of two values that are compared first.
_HEAD = 4096
# The underscore tells them from ports: a stage may have an input called "chunk".
STREAM_KEY = "_stream"
CHUNK_KEY = "_chunk"


class WireError(Error, ValueError):
    """A value does not fit its port, or a buffer does not hold the expected message."""

    exit_code = 70


@dataclass(frozen=True)
class Message:
    """The outputs of one stage in one tick.

    Attributes:
        streams: the name of each row's stream.
        chunks: the index of the chunk each row belongs to.
        values: by port name, the port's value (see `Port`); arrays are read-only views.
    """

    streams: tuple[str, ...]
    chunks: tuple[int, ...]
    values: Mapping[str, Tensor]


class Layout:
    """The ports of a message, and what their values look like.

    Attributes:
        ports: by name.
        shapes: by name, the sizes of a port's dimensions, without a ragged first one.
    """

    def __init__(self, ports: Mapping[str, Port], dims: Mapping[str, int]) -> None:
        """Compiles the layout.

        Args:
            ports: by name.
            dims: sizes of the ports' dimensions, from `Format.dims`.
        """
        self.ports = ports
        self.shapes = {name: fixed_shape(port, dims) for name, port in ports.items()}
        self._plain = [
            (name, np.dtype(port.dtype), self.shapes[name])
            for name, port in ports.items()
            if not port.ragged and port.dtype != "utf8"
        ]
        plain = {name for name, _, _ in self._plain}
        self._lists = [name for name in ports if name not in plain]

    def check(
        self, values: Mapping[str, Any], rows: int, arrays: tuple[type[Any], ...] = (np.ndarray,)
    ) -> None:
        """Checks values against the ports; the cost is some microseconds.

        Args:
            values: one value a port, as `Port` describes them.
            rows: the number of rows of each.
            arrays: the classes of arrays that are allowed.

        Raises:
            WireError: a value is missing or has no port, or its dtype, shape or number of rows does
                not fit its port.
        """
        if values.keys() != self.ports.keys():
            raise WireError(f"expected values for {sorted(self.ports)}, got {sorted(values)}")
        for name, dtype, shape in self._plain:
            value: Any = values[name]
            if not isinstance(value, arrays) or (value.dtype, value.shape) != (
                dtype,
                (rows, *shape),
            ):
                raise WireError(
                    f"port {name!r} takes {dtype} {[rows, *shape]}, got {_describe(value)}"
                )
        for name in self._lists:
            if self.ports[name].dtype == "utf8":
                _check_texts(name, self.ports[name], values[name], rows)
            else:
                self._check_ragged(name, values[name], rows)

    def _check_ragged(self, name: str, value: Any, rows: int) -> None:
        port, shape = self.ports[name], self.shapes[name]
        expected = f"port {name!r} takes {rows} arrays of {port.dtype} {[port.shape[0], *shape]}"
        if not isinstance(value, list) or len(value) != rows:
            raise WireError(f"{expected}, got {_describe(value)}")
        for row in value:
            if not isinstance(row, np.ndarray) or row.dtype != port.dtype or not row.ndim:
                raise WireError(f"{expected}, got {_describe(row)}")
            if row.shape[1:] != shape:
                raise WireError(f"{expected}, got {_describe(row)}")


def encode(
    ports: Mapping[str, Port],
    values: Mapping[str, Tensor],
    streams: Sequence[str],
    chunks: Sequence[int],
    dims: Mapping[str, int],
) -> pa.Buffer:
    """Encodes a message as one self-describing buffer, which any Arrow reader opens.

    Args:
        ports: the port of each column.
        values: one value a port, as `Port` describes them.
        streams: one name a row; at least one.
        chunks: one chunk index a row.
        dims: sizes of the ports' dimensions, from `Format.dims`.

    Raises:
        WireError: a value is missing or has no port, or its dtype, shape or number of rows does
            not fit its port.
    """
    batch = to_batch(ports, values, streams, chunks, dims)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decode(
    ports: Mapping[str, Port],
    buffer: pa.Buffer | bytes,
    dims: Mapping[str, int],
    only: Iterable[str] | None = None,
) -> Message:
    """Reads a message without copying it.

    Args:
        ports: the ports the message must hold, by column.
        buffer: a buffer that `encode` returned.
        dims: sizes of the ports' dimensions.
        only: the ports to read; None reads all of `ports`.

    Raises:
        WireError: the buffer is no message, or a column is missing or of another type or kind.
    """
    batch = read_batch(buffer)
    chosen = ports if only is None else {name: ports[name] for name in only}
    values = {name: _from_column(batch, name, port, dims) for name, port in chosen.items()}
    return Message(
        tuple(batch.column(STREAM_KEY).to_pylist()),
        tuple(batch.column(CHUNK_KEY).to_pylist()),
        values,
    )


def read_batch(buffer: pa.Buffer | bytes) -> pa.RecordBatch:
    """Opens the record batch in a buffer, without copying it.

    Raises:
        WireError: the buffer is no message.
    """
    try:
        batch = next(iter(PlainStream(buffer)))
        names = batch.schema.names
    except (pa.ArrowException, StopIteration, OSError, UnicodeDecodeError) as error:
        raise WireError(f"this is not a message: {error}") from error
    if names[:2] != [STREAM_KEY, CHUNK_KEY] or batch.schema.types[:2] != [pa.utf8(), pa.int64()]:
        raise WireError("this is an Arrow record batch but not a message: it has no key columns")
    if not batch.num_rows:
        raise WireError("this message has no rows: it needs at least one stream")
    if any(map(_has_nulls, batch.columns)):
        raise WireError("this message has null values: no port carries them")
    return batch


def join(buffers: Sequence[pa.Buffer]) -> pa.Buffer:
    """Concatenates the rows of several messages that have the same ports.

    Raises:
        WireError: a buffer holds no message, or the messages have different ports.
    """
    if len(buffers) == 1:
        return buffers[0]
    batches = [read_batch(buffer) for buffer in buffers]
    sink = pa.BufferOutputStream()
    try:
        with pa.ipc.new_stream(sink, batches[0].schema) as writer:
            writer.write_batch(pa.concat_batches(batches))
    except pa.ArrowException as error:
        raise WireError(f"these messages cannot be joined: {error}") from error
    return sink.getvalue()


def to_batch(
    ports: Mapping[str, Port],
    values: Mapping[str, Tensor],
    streams: Sequence[str],
    chunks: Sequence[int],
    dims: Mapping[str, int],
) -> pa.RecordBatch:
    """Makes the record batch that `encode` writes; arguments and errors are the same."""
    if not streams:
        raise WireError("a message needs at least one stream")
    if len(chunks) != len(streams):
        raise WireError(f"{len(streams)} streams but {len(chunks)} chunk indices")
    if {STREAM_KEY, CHUNK_KEY} & set(ports):
        raise WireError(f"a port may not be called {STREAM_KEY!r} or {CHUNK_KEY!r}")
    Layout(ports, dims).check(values, len(streams))
    columns = [pa.array(list(streams), pa.utf8()), pa.array(list(chunks), pa.int64())]
    columns += [_to_column(port, values[name], dims) for name, port in ports.items()]
    return pa.RecordBatch.from_arrays(columns, schema=schema(ports, dims))


def schema(ports: Mapping[str, Port], dims: Mapping[str, int]) -> pa.Schema:
    """Returns the Arrow schema of a message; kind and unit are field metadata."""
    fields = [pa.field(STREAM_KEY, pa.utf8()), pa.field(CHUNK_KEY, pa.int64())]
    for name, port in ports.items():
        metadata = {"kind": port.kind, "unit": port.unit, **_STORED_AS.get(port.dtype, {})}
        fields.append(pa.field(name, _type(port, dims), nullable=False, metadata=metadata))
    return pa.schema(fields)


def fixed_shape(port: Port, dims: Mapping[str, int]) -> tuple[int, ...]:
    """Returns the sizes of a port's dimensions, without a ragged first one."""
    return tuple(dims[name] for name in port.fixed_shape)


def equal(one: Tensor, other: Tensor) -> bool:
    """Whether two values of the same port are the same bytes (-0.0 differs from 0.0)."""
    if one is other:
        return True
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if one.nbytes <= _HEAD:
            return one.tobytes() == other.tobytes()
        first, second = _raw(one), _raw(other)
        # Values that differ mostly do so soon: not all of a chunk's audio is read for that.
        if not np.array_equal(first[:_HEAD], second[:_HEAD]):
            return False
        return np.array_equal(first[_HEAD:], second[_HEAD:])
    if not isinstance(one, list) or not isinstance(other, list):
        return False
    return len(one) == len(other) and all(map(_same_row, one, other))


def _same_row(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return equal(one, other)
    return one == other


def _raw(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def is_bfloat16(field: pa.Field) -> bool:
    """Whether a column of uint16 has the bits of bfloat16."""
    return (field.metadata or {}).get(b"dtype") == b"bfloat16"


def _type(port: Port, dims: Mapping[str, int]) -> pa.DataType:
    scalar = pa.utf8() if port.dtype == "utf8" else pa.from_numpy_dtype(_STORED[port.dtype])
    shape = fixed_shape(port, dims)
    if not port.ragged:
        return pa.fixed_shape_tensor(scalar, shape, dim_names=port.shape) if shape else scalar
    return pa.list_(pa.list_(scalar, prod(shape)) if shape else scalar)


def _to_column(port: Port, value: Tensor, dims: Mapping[str, int]) -> pa.Array:
    """Makes a column of a value that fits its port."""
    if port.dtype == "utf8":
        return pa.array(value, pa.list_(pa.utf8()) if port.ragged else pa.utf8())
    if isinstance(value, list):
        return _ragged_column(port, value, dims)
    # Arrow stores a transposed view with a permutation and refuses Fortran order.
    contiguous = _storage(np.ascontiguousarray(value))
    if contiguous.ndim == 1:
        return pa.array(contiguous)
    return pa.FixedShapeTensorArray.from_numpy_ndarray(contiguous, dim_names=port.shape)


def _ragged_column(port: Port, value: list[Any], dims: Mapping[str, int]) -> pa.Array:
    shape = fixed_shape(port, dims)
    offsets = pa.array(np.cumsum([0, *map(len, value)]).astype(np.int32))
    flat = pa.array(_storage(np.concatenate([array.reshape(-1) for array in value])))
    inner = pa.FixedSizeListArray.from_arrays(flat, prod(shape)) if shape else flat
    return pa.ListArray.from_arrays(offsets, inner)


def _storage(array: np.ndarray) -> np.ndarray:
    """Returns the bits of bfloat16 as uint16, other arrays as they are."""
    return array.view(np.uint16) if array.dtype == BFLOAT16 else array


def _numbers(array: np.ndarray, port: Port) -> np.ndarray:
    """Returns a port's numbers, from their column's."""
    return array.view(BFLOAT16) if port.dtype == "bfloat16" else array


def _from_column(batch: pa.RecordBatch, name: str, port: Port, dims: Mapping[str, int]) -> Tensor:
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise WireError(f"the message has no {name!r}; it has {batch.schema.names}")
    field, column = batch.schema.field(index), batch.column(index)
    if field.type != _type(port, dims):
        raise WireError(f"{name!r} is {field.type}, expected {_type(port, dims)}")
    kind = (field.metadata or {}).get(b"kind", b"").decode(errors="replace")
    if kind != port.kind:
        raise WireError(f"{name!r} carries {kind!r}, expected {port.kind!r}")
    if is_bfloat16(field) != (port.dtype == "bfloat16"):
        found = "bfloat16" if is_bfloat16(field) else "no bfloat16"
        raise WireError(f"{name!r} has {found}, expected {port.dtype}")
    if port.dtype == "utf8":
        return column.to_pylist()
    if port.ragged:
        rows = _ragged_rows(column, fixed_shape(port, dims))
        return [_numbers(row, port) for row in rows]
    if not port.shape:
        return _numbers(column.to_numpy(zero_copy_only=True), port)
    return _numbers(column.to_numpy_ndarray(), port)


def _has_nulls(column: pa.Array) -> bool:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    nested = isinstance(column, pa.ListArray | pa.FixedSizeListArray)
    return column.null_count > 0 or (nested and _has_nulls(column.values))


def _ragged_rows(column: pa.ListArray, shape: tuple[int, ...]) -> list[np.ndarray]:
    inner = column.values
    flat = (inner.values if shape else inner).to_numpy(zero_copy_only=True)
    values = flat.reshape(-1, *shape)
    offsets = column.offsets.to_pylist()
    return [values[a:b] for a, b in pairwise(offsets)]


def _check_texts(name: str, port: Port, value: Any, rows: int) -> None:
    expected = (
        f"port {name!r} takes {'a list of ' if port.ragged else ''}text for each of {rows} rows"
    )
    if not isinstance(value, list) or len(value) != rows:
        raise WireError(f"{expected}, got {_describe(value)}")
    for row in value:
        fits = isinstance(row, list) if port.ragged else isinstance(row, str)
        texts: list[Any] = row if port.ragged else [row]
        if not fits or not all(isinstance(text, str) for text in texts):
            raise WireError(f"{expected}, got {_describe(row)}")
        try:
            for text in texts:
                text.encode()
        except UnicodeEncodeError as error:
            raise WireError(f"{expected}: {error}") from error


def _describe(value: Tensor | object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if hasattr(value, "__array__"):
        return f"{type(value).__name__}, an array of another library: return np.asarray(value)"
    return type(value).__name__
