"""Makes legal inputs for a stage: values for every kind of port that ships, and for others."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from zlib import crc32

import jax
import numpy as np

from soundstage.graph import wire
from soundstage.graph.format import Format
from soundstage.graph.port import Port, Tensor
from soundstage.stages.context import Pack

# Makes one stream's value of an input, of the shape that the port has in the format.
MakeValue: TypeAlias = Callable[[np.random.Generator, tuple[int, ...]], Any]
_MakeKind: TypeAlias = Callable[[np.random.Generator, Port, tuple[int, ...], Format], Any]


@dataclass(frozen=True)
class ExampleInputs:
    """Makes the inputs of a stage from seeds: one row a seed, equal seeds give equal rows.

    Attributes:
        ports: the stage's inputs.
        format: the sizes of their dimensions.
        values: by input name, what makes the values of that input.
    """

    ports: Mapping[str, Port]
    format: Format
    values: Mapping[str, MakeValue] = field(default_factory=dict)

    def message(self, seeds: Sequence[int]) -> bytes:
        """Returns the inputs as a message.

        Raises:
            WireError: a value that `values` makes does not fit its port.
        """
        columns: dict[str, Tensor] = {}
        for name, port in self.ports.items():
            column = [self._row(name, port, seed) for seed in seeds]
            is_list = port.ragged or port.dtype == "utf8"
            columns[name] = column if is_list else np.stack(column)
        streams, chunks = [f"stream {row}" for row in range(len(seeds))], [0] * len(seeds)
        buffer = wire.encode(self.ports, columns, streams, chunks, self.format.dims)
        data: bytes = buffer.to_pybytes()
        return data

    def inputs(self, seeds: Sequence[int]) -> dict[str, Tensor]:
        """Returns the inputs as a runner passes them: read-only.

        Raises:
            WireError: as `message`.
        """
        return read_inputs(self.ports, self.message(seeds), self.format)

    def _row(self, name: str, port: Port, seed: int) -> Any:
        """Makes one stream's value; the ragged ports of a row share their first dimension."""
        fixed = wire.fixed_shape(port, self.format.dims)
        length = 1 + (seed + crc32(port.shape[0].encode())) % 2 if port.ragged else 0
        shape = (length, *fixed) if port.ragged else fixed
        random = np.random.default_rng([seed, crc32(name.encode())])
        make = self.values.get(name)
        if make is not None:
            value = make(random, shape)
        else:
            value = _KINDS.get(port.kind, _any)(random, port, shape, self.format)
        return value if port.dtype == "utf8" else np.asarray(value, port.dtype)


def read_inputs(ports: Mapping[str, Port], message: bytes, format: Format) -> dict[str, Tensor]:
    """Reads the message of `ExampleInputs.message`; arrays are read-only."""
    return dict(wire.decode(ports, message, format.dims).values)


def digest(values: Mapping[str, Tensor]) -> str:
    """Returns the SHA-256 of the values of ports, as hex digits; equal bytes, equal digests."""
    sha = hashlib.sha256()
    for name in sorted(values):
        for row in values[name]:
            if isinstance(row, np.ndarray | np.generic):
                sha.update(row.tobytes())
            else:
                sha.update(repr(row).encode())
    return sha.hexdigest()


def _any(random: np.random.Generator, port: Port, shape: tuple[int, ...], format: Format) -> Any:
    """Makes a value of an unknown kind: within its bounds, or else around 0."""
    if port.dtype == "utf8":
        return _words(random, port, shape, format)
    least, greatest = port.usual or (port.minimum, port.maximum)
    if port.whole:
        first = 0 if least is None else int(least)
        last = first + 9 if greatest is None else int(greatest)
        return random.integers(first, last, shape, endpoint=True)
    if least is None or greatest is None:
        return random.normal(least or greatest or 0.0, 0.2, shape).clip(*port.bounds)
    return random.uniform(least, greatest, shape)


def _between(low: float, high: float) -> _MakeKind:
    return lambda random, port, shape, format: random.uniform(low, high, shape)


def _whole(low: int, high: int) -> _MakeKind:
    return lambda random, port, shape, format: random.integers(low, high, shape)


def _sound(random: np.random.Generator, port: Port, shape: tuple[int, ...], format: Format) -> Any:
    return 0.2 * random.standard_normal(shape)


def _words(random: np.random.Generator, port: Port, shape: tuple[int, ...], format: Format) -> Any:
    choice = random.choice(["warm pads", "", "JAZZ trio", "Été"], shape)
    return [str(word) for word in choice] if shape else str(choice)


def _vector(random: np.random.Generator, port: Port, shape: tuple[int, ...], format: Format) -> Any:
    vector = random.standard_normal(shape)
    return vector / np.linalg.norm(vector)


def _style(random: np.random.Generator, port: Port, shape: tuple[int, ...], format: Format) -> Any:
    return random.integers(0, format.codebook_size, shape)


def _code(random: np.random.Generator, port: Port, shape: tuple[int, ...], format: Format) -> Any:
    codes = random.integers(0, format.codebook_size, shape)
    if port.shape[0] == "context_frame":
        codes[: random.integers(0, shape[0])] = -1  # the beginning of the music has no past
    return codes


def _prompt(random: np.random.Generator, port: Port, shape: tuple[int, ...], format: Format) -> Any:
    dims = format.dims
    context = random.integers(-1, format.codebook_size, (1, dims["context_frame"], dims["level"]))
    style = random.integers(0, format.codebook_size, (1, dims["style_level"]))
    pack = Pack(None, format, jax.devices("cpu")[0])
    return pack(context.astype(np.int32), style.astype(np.int32))["prompt"][0]


_KINDS: Mapping[str, _MakeKind] = {
    "text prompt": _words,
    "text prompt weight": _between(0.1, 2),
    "mono audio clip": _sound,
    "clip weight": _between(0.1, 2),
    "style vector": _vector,
    "style vector weight": _between(0.1, 2),
    "style embedding": _vector,
    "style token": _style,
    "codec token": _code,
    "vocabulary id": _prompt,
    "conditioning": _whole(-1, 2),
    "audio": _sound,
    "codec memory": _sound,
    "live audio": _sound,
    "gain of the own audio": _between(0, 1),
    "gap": _between(0, 0.1),
    "frames heard": _whole(0, 7),
    "tempo": _between(0, 200),
    "density": _between(-1, 1),
    "brightness": _between(-1, 1),
    "drums": _between(-1, 1),
    "asked tempo": _between(-1, 180),
    "asked sound": _between(-1, 1),
    "sound": _between(-1, 1),
    "beat": _between(-1, 12),
    "temperature": _between(0.5, 1.5),
    "top k": _whole(0, 50),
    "top p": _between(0.3, 0.9),
    "min p": _between(0.01, 0.3),
    "repetition": _between(0.1, 1),
    "guidance weight": _between(0, 6),
    "seed": _whole(0, 2**63 - 1),
    "chunk index": _whole(0, 100),
}
