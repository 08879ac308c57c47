"""Converts weights of any form to one safetensors file, which is mapped into memory to load."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal

import ml_dtypes
import numpy as np

from soundstage.stages.depthformer.compact import EMBEDDING, HEAD, USED_EMBEDDING, USED_HEAD
from soundstage.stages.magenta_rt2.names import PREFIX, TABLE, kept_in_float32
from soundstage.stages.weights.array_source import ArraySource, WeightsError, check_finite
from soundstage.stages.weights.safetensors_files import PARTS

DType = Literal["float32", "bfloat16"]
STORED = {"float32": "F32", "bfloat16": "BF16"}
TYPES: Mapping[str, np.dtype] = {
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
# Headers are padded to a multiple of this, so that arrays may be mapped.
ALIGNMENT = 8


@dataclass(frozen=True)
class Conversion:
    """The contents of a converted file, before it is written.

    Attributes:
        network: "depthformer", "magenta-rt-2" or "spectrostream".
        shapes: the shape of every array by bare name.
        dtypes: the type of every array by bare name, keys of `TYPES`.
    """

    network: str
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """The number of parameters."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def data_bytes(self) -> int:
        """The size of all arrays."""
        return sum(self._bytes(name) for name in self.shapes)

    @property
    def file_bytes(self) -> int:
        """The size of the file."""
        return len(self._header()) + self.data_bytes

    def write(self, source: ArraySource, stream: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        """Writes the file, array by array: memory holds one array at a time.

        Args:
            source: the weights that this conversion was planned for.
            stream: an empty file, open for writing.
            on_bytes: called with the number of bytes of arrays written so far.

        Raises:
            WeightsError: an array cannot be read or holds NaN or infinity.
        """
        stream.write(self._header())
        written = 0
        for name, shape in self.shapes.items():
            array = source.read(name, shape)
            check_finite(source.note, name, array)
            stored = array.astype(TYPES[self.dtypes[name]], order="C", copy=False)
            # NumPy exports no buffers of bfloat16, so the array is written as bytes.
            stream.write(stored.reshape(-1).view(np.uint8).data)
            written += self._bytes(name)
            on_bytes(written)

    def _bytes(self, name: str) -> int:
        return math.prod(self.shapes[name]) * TYPES[self.dtypes[name]].itemsize

    def _header(self) -> bytes:
        header: dict[str, object] = {"__metadata__": {"model": self.network}}
        start = 0
        for name, shape in self.shapes.items():
            end = start + self._bytes(name)
            stored = STORED[self.dtypes[name]]
            header[name] = {"dtype": stored, "shape": shape, "data_offsets": [start, end]}
            start = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % ALIGNMENT)
        return len(text).to_bytes(8, "little") + text


def plan_conversion(source: ArraySource, dtype: DType) -> Conversion:
    """Plans the file that a network's weights are converted to.

    Arrays that a network uses in float32 whatever the type of its activations stay float32, such as
    the head of a Depthformer: a converted network plays the same bytes.

    Args:
        source: the weights of a Depthformer, of Magenta RealTime 2's frame model or of
            SpectroStream, alone or beside those of other networks, which are left out.
        dtype: the type that the network will compute in.

    Raises:
        WeightsError: the source has neither network's weights, or the network does not compute in
            `dtype`.
    """
    names = source.names()
    if names is None:
        raise WeightsError(f"{source.note}: random weights have no file to convert")
    if {EMBEDDING, USED_EMBEDDING} & names.keys():
        kept = {HEAD, USED_HEAD}
        dtypes = {name: "float32" if name in kept else dtype for name in names}
        return Conversion("depthformer", dict(sorted(names.items())), dtypes)
    if TABLE in names:
        frame_model = {n: shape for n, shape in sorted(names.items()) if n.startswith(PREFIX)}
        wide = kept_in_float32(frame_model)
        dtypes = {name: "float32" if name in wide else dtype for name in frame_model}
        return Conversion("magenta-rt-2", frame_model, dtypes)
    codec = {name: shape for name, shape in sorted(names.items()) if name.split("/")[0] in PARTS}
    if not codec:
        raise WeightsError(
            f"{source.note}: neither a Depthformer, nor a frame model of Magenta RealTime 2, nor a "
            "SpectroStream; only these are converted"
        )
    if dtype != "float32":
        raise WeightsError(f"{source.note}: SpectroStream computes in float32; omit --dtype")
    return Conversion("spectrostream", codec, dict.fromkeys(codec, dtype))
