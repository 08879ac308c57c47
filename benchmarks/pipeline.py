"""Times a chunk without its networks, the preset tiny, and the import.

    python benchmarks/pipeline.py --chunks 50 --rows 1

"Everything but the networks" is the default graph with both networks and the embedder replaced by
stages that return precomputed arrays: the runner, the messages, packing, cross-fade, state and
the comparison of inputs remain. Its floor is the time of one copy of all messages' bytes, at the
speed of a large copy.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import soundstage
from soundstage.graph.format import Format
from soundstage.runners.hosts.host import REMEMBERED
from soundstage.stages.bandcodec.stage import Decode
from soundstage.stages.depthformer.stage import SampleOnBeat
from soundstage.stages.style_towers.stage import Embed

ROOT = Path(__file__).parents[1]


class InstantEmbed:
    """Returns the same embedding for every row."""

    inputs = Embed.inputs
    outputs = Embed.outputs

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        self.embedding = np.full(format.style_dim, format.style_dim**-0.5, np.float32)
        self.tempo = np.full(3, 120.0, np.float32)
        self.sound = np.full(3, 0.5, np.float32)

    def __call__(
        self,
        texts: Sequence[Sequence[str]],
        text_weights: Sequence[np.ndarray],
        clips: Sequence[np.ndarray],
        clip_weights: Sequence[np.ndarray],
        styles: Sequence[np.ndarray] | None = None,
        style_weights: Sequence[np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        every = (len(texts), 1)
        return {
            "embedding": np.tile(self.embedding, every),
            "tempo": np.tile(self.tempo, every),
            "sound": np.tile(self.sound, every),
            "not_understood": [[] for _ in texts],
        }


class InstantSample:
    """Returns different tokens in every chunk, so that no later stage can reuse an output."""

    inputs = SampleOnBeat.inputs
    outputs = SampleOnBeat.outputs

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        shape = (format.dims["frame"], format.codec_levels)
        draw = np.random.default_rng(0)
        self.tokens = draw.integers(0, format.codebook_size, shape, np.int32)
        self.codebook_size = format.codebook_size

    def __call__(
        self,
        prompt: np.ndarray,
        unprompted: np.ndarray,
        beats: np.ndarray,
        sound: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        guidance: np.ndarray,
        seed: np.ndarray,
        chunk: np.ndarray,
        top_p: np.ndarray | None = None,
        min_p: np.ndarray | None = None,
        repetition: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        moved = self.tokens + chunk[:, None, None].astype(np.int32)
        return {"tokens": moved % self.codebook_size}


class InstantDecode:
    """Returns noise, in turn from more pieces than a host remembers outputs."""

    inputs = Decode.inputs
    outputs = Decode.outputs
    PIECES: ClassVar[int] = 2 * REMEMBERED

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        shape = (format.dims["faded_sample"], format.channels)
        noise = np.random.default_rng(0).standard_normal(shape, np.float32)
        self.audio = np.stack([noise / (10 + piece) for piece in range(self.PIECES)])

    def __call__(self, tokens: np.ndarray, context: np.ndarray) -> dict[str, np.ndarray]:
        return {"audio": self.audio[tokens[:, 0, 0] % self.PIECES]}


INSTANT = {"embed": "InstantEmbed", "sample": "InstantSample", "decode": "InstantDecode"}


def chunk_seconds(session: soundstage.Session, chunks: int) -> tuple[np.ndarray, int]:
    """Times chunks after two to warm up, and counts the bytes of one chunk's messages."""
    times = []
    size = 0
    for _ in range(2 + chunks):
        start = time.perf_counter()
        chunk = next(session)
        times.append(time.perf_counter() - start)
        size = sum(len(message) for message in chunk.messages.values())
    return np.array(times[2:]), size


def copy_rate(mebibytes: int) -> float:
    """Returns the bytes a second of a copy of so many bytes, the median of 7 copies."""
    source = np.ones(mebibytes * 2**18, np.float32)
    target = np.empty_like(source)
    return source.nbytes / median(lambda: np.copyto(target, source), 7)


def median(run: Callable[[], object], repeats: int) -> float:
    """Returns the median seconds of a call."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def start_python(code: str) -> Callable[[], object]:
    """Makes a function that runs `code` in a new Python process."""
    return lambda: subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def time_overhead(rows: int, chunks: int, format: Format) -> None:
    """Prints the time of a chunk without the networks."""
    settings = [f"{stage}.use=pipeline:{name}" for stage, name in INSTANT.items()]
    own = [{"seed": row} for row in range(rows)]
    with soundstage.open(rows=own, settings=settings, allow=["pipeline"]) as session:
        seconds, size = chunk_seconds(session, chunks)
    # A run of one chunk only shows that this works, and can do with little memory.
    floor = size / copy_rate(256 if chunks > 1 else 8)
    worst, typical = seconds.max(), float(np.median(seconds))
    share = typical / (rows * format.chunk_s)
    print(f"everything but the networks, {rows} row(s): {size / 1e6:.2f} MB of messages a chunk")
    print(f"  median {typical * 1e3:.2f} ms a chunk, worst {worst * 1e3:.2f} ms", end="")
    print(f"; floor {floor * 1e3:.2f} ms, ratio {typical / floor:.1f}")
    print(f"  {share:.2%} of the {format.chunk_s:g} s that a chunk lasts, a row")


def time_tiny(rows: int, chunks: int, format: Format) -> None:
    """Prints the speed of the preset tiny."""
    own = [{"seed": row} for row in range(rows)]
    start = time.perf_counter()
    with soundstage.open("tiny", rows=own) as session:
        next(session)
        first = time.perf_counter() - start
        seconds, _ = chunk_seconds(session, chunks)
    typical = float(np.median(seconds))
    print(f"preset tiny, {rows} row(s), one chunk after the other, nothing overlapped:")
    print(f"  median {typical * 1e3:.1f} ms a chunk: {format.chunk_s / typical:.1f} x real time")
    print(f"  first chunk {first:.1f} s after opening")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=50)
    parser.add_argument("--rows", type=int, default=1)
    args = parser.parse_args()
    format = Format()
    time_overhead(args.rows, args.chunks, format)
    time_tiny(args.rows, args.chunks, format)
    bare = median(start_python("pass"), 15)
    whole = median(start_python("import soundstage"), 15)
    print(
        f"import soundstage: {(whole - bare) * 1e3:.0f} ms over the {bare * 1e3:.0f} ms of Python"
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
