"""Weights in any form to one safetensors file that is mapped into memory instead of decoded."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Literal

import ml_dtypes
import numpy as np

from soundstage.stages.depthformer.compact import EMBEDDING, HEAD, USED_EMBEDDING, USED_HEAD
from soundstage.stages.weights.array_source import ArraySource, WeightsError, check_finite
from soundstage.stages.weights.safetensors_files import PARTS

DType = Literal["float32", "bfloat16"]
STORED = {"float32": "F32", "bfloat16": "BF16"}
TYPES: Mapping[str, np.dtype] = {
    "float32": np.dtype(np.float32),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
# Headers end where arrays may be mapped.
ALIGNMENT = 8


@dataclass(frozen=True)
class Conversion:
    """What a converted file will hold.

    Attributes:
        network: "depthformer" or "spectrostream".
        shapes: of every array by bare name.
        dtypes: of every array by bare name, keys of `TYPES`.
    """

    network: str
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """How many numbers there are."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    @property
    def data_bytes(self) -> int:
        """How many bytes the numbers take."""
        return sum(self._bytes(name) for name in self.shapes)

    @property
    def file_bytes(self) -> int:
        """How many bytes the file takes."""
        return len(self._header()) + self.data_bytes

    def write(self, source: ArraySource, stream: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        """Writes the file, array by array: memory holds one array at a time.

        Args:
            source: the weights that this was planned for.
            stream: open for writing, empty.
            on_bytes: called with the bytes of arrays written so far.

        Raises:
            WeightsError: an array cannot be read or holds NaN or infinity.
        """
        stream.write(self._header())
        written = 0
        for name, shape in self.shapes.items():
            array = source.read(name, shape)
            check_finite(source.note, name, array)
            stored = array.astype(TYPES[self.dtypes[name]], order="C", copy=False)
            # NumPy has no buffers of bfloat16: its bytes go out as what they are.
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
    """Plans to write a network's weights as one file.

    The head of a Depthformer stays float32, because it is used in float32 whatever the type of
    the activations: a converted network plays the same bytes.

    Args:
        source: a Depthformer's weights, or SpectroStream's, alone or beside other networks'.
        dtype: what the network will compute in.

    Raises:
        WeightsError: these are neither network's weights, or the network does not compute in
            that type.
    """
    names = source.names()
    if names is None:
        raise WeightsError(
            f"{source.note}: these are made when asked for; there is no file of them"
        )
    if {EMBEDDING, USED_EMBEDDING} & names.keys():
        kept = {HEAD, USED_HEAD}
        dtypes = {name: "float32" if name in kept else dtype for name in names}
        return Conversion("depthformer", dict(sorted(names.items())), dtypes)
    codec = {name: shape for name, shape in sorted(names.items()) if name.split("/")[0] in PARTS}
    if not codec:
        raise WeightsError(
            f"{source.note}: neither a Depthformer nor a SpectroStream; nothing else is converted"
        )
    if dtype != "float32":
        raise WeightsError(f"{source.note}: SpectroStream computes in float32; leave --dtype out")
    return Conversion("spectrostream", codec, dict.fromkeys(codec, dtype))
