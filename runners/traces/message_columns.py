"""Reads a message by its own schema, without its stage or pipeline."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

import numpy as np
import pyarrow as pa

from soundstage.graph import wire

# Names for the dimensions of a ragged port: Arrow keeps only those of fixed shapes.
_ENTRY, _VALUE = "entry", "value"


@dataclass(frozen=True)
class Column:
    """One port's values in one message.

    Attributes:
        kind: the port's kind.
        dtype: NumPy name, or "utf8".
        dims: dimension names of one row.
        sizes: sizes of `dims`; -1 for the first dimension of a ragged port.
        rows: one array a stream; text is an array of objects. Read-only.
    """

    kind: str
    dtype: str
    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    rows: tuple[np.ndarray, ...]

    @property
    def spelled_type(self) -> str:
        """Dtype, shape and kind for people: "float32 [sample=96000 channel=2] audio"."""
        pairs = zip(self.dims, self.sizes, strict=True)
        shape = " ".join(name if size < 0 else f"{name}={size}" for name, size in pairs)
        return f"{self.dtype} [{shape}] {self.kind}"


@dataclass(frozen=True)
class Columns:
    """A whole message.

    Attributes:
        streams: the name of each row's stream.
        chunks: the index of the chunk each row belongs to.
        ports: the values by port, in the message's order.
    """

    streams: tuple[str, ...]
    chunks: tuple[int, ...]
    ports: Mapping[str, Column]


def read_columns(buffer: pa.Buffer | bytes) -> Columns:
    """Reads a message of any stage.

    Raises:
        WireError: the buffer is not a message, or has a column of a type that no port has.
    """
    batch = wire.read_batch(buffer)
    return Columns(
        tuple(batch.column(wire.STREAM_KEY).to_pylist()),
        tuple(batch.column(wire.CHUNK_KEY).to_pylist()),
        dict(_ports(batch)),
    )


def one_port(buffer: pa.Buffer | bytes, port: str, name: str) -> pa.Buffer:
    """Makes a message of one port of a message, under another name.

    Raises:
        WireError: the buffer is not a message, or has no such port.
    """
    batch = wire.read_batch(buffer)
    if port not in batch.schema.names:
        raise wire.WireError(f"the message has no {port!r}; it has {batch.schema.names}")
    alone = batch.select([wire.STREAM_KEY, wire.CHUNK_KEY, port])
    alone = alone.rename_columns([wire.STREAM_KEY, wire.CHUNK_KEY, name])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, alone.schema) as writer:
        writer.write_batch(alone)
    return sink.getvalue()


def _ports(batch: pa.RecordBatch) -> Iterator[tuple[str, Column]]:
    for index, field in enumerate(batch.schema):
        if field.name in (wire.STREAM_KEY, wire.CHUNK_KEY):
            continue
        kind = (field.metadata or {}).get(b"kind", b"").decode(errors="replace")
        try:
            column = _column(kind, batch.column(index))
            yield field.name, _as_bfloat16(column) if wire.is_bfloat16(field) else column
        except (pa.ArrowException, NotImplementedError, ValueError) as error:
            raise wire.WireError(
                f"port {field.name!r} is {field.type}, a type that no port has"
            ) from error


def _as_bfloat16(column: Column) -> Column:
    rows = tuple(np.atleast_1d(row).view(wire.BFLOAT16).reshape(row.shape) for row in column.rows)
    return replace(column, dtype=str(wire.BFLOAT16), rows=rows)


def _column(kind: str, column: pa.Array) -> Column:
    if isinstance(column, pa.FixedShapeTensorArray):
        sizes = tuple(column.type.shape)
        names = tuple(column.type.dim_names or (_VALUE,) * len(sizes))
        values = column.to_numpy_ndarray()
        return Column(kind, str(values.dtype), names, sizes, tuple(values))
    if isinstance(column, pa.ListArray):
        return _ragged(kind, column)
    flat = _flat(column)
    rows = tuple(flat[row : row + 1].reshape(()) for row in range(len(flat)))
    return Column(kind, _dtype(flat), (), (), rows)


def _ragged(kind: str, column: pa.ListArray) -> Column:
    inner = column.values
    sizes: tuple[int, ...] = (-1,)
    if isinstance(inner, pa.FixedSizeListArray):
        sizes = (-1, inner.type.list_size)
        inner = inner.values
    flat = _flat(inner).reshape(-1, *sizes[1:]) if prod(sizes) else _flat(inner)
    starts = column.offsets.to_pylist()
    rows = tuple(flat[a:b] for a, b in pairwise(starts))
    return Column(kind, _dtype(flat), (_ENTRY, _VALUE)[: len(sizes)], sizes, rows)


def _flat(column: pa.Array) -> np.ndarray:
    if pa.types.is_string(column.type):
        return np.array([*column.to_pylist(), None], object)[:-1]
    return column.to_numpy(zero_copy_only=True)


def _dtype(values: np.ndarray) -> str:
    return "utf8" if values.dtype == object else str(values.dtype)
