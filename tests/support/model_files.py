"""Stand-ins for all published files: same names and layouts, toy sizes, random weights."""

import io
import tarfile
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgpack
import numpy as np
import tensorstore
from flax import nnx
from musiccoca_models import TINY as MUSICCOCA
from musiccoca_models import TINY_FORMAT
from safetensors.numpy import save

from soundstage.graph.format import Format
from soundstage.stages.depthformer.config import TINY as TRANSFORMER
from soundstage.stages.depthformer.loading import depthformer_maker
from soundstage.stages.depthformer.loading import published_name as transformer_name
from soundstage.stages.spectrostream.blocks import upsample_by_phases
from soundstage.stages.spectrostream.codec import codec_maker
from soundstage.stages.spectrostream.config import TINY as CODEC
from soundstage.stages.spectrostream.network import PARTS
from soundstage.stages.spectrostream.network import published_name as codec_name
from soundstage.stages.weights.modules import structure
from soundstage.stages.weights.published.catalogue import read_catalogue
from soundstage.stages.weights.random_weights import RandomSource

ROOT = Path(__file__).parents[2]
MRT1, MRT2 = "google/magenta-realtime", "google/magenta-realtime-2"
BASE_TAR = f"{MRT1}/checkpoints/llm_base_x4286_c1860k.tar"
ENCODER = f"{MRT2}/resources/spectrostream/encoder.safetensors"
LARGE_TAR = f"{MRT1}/checkpoints/llm_large_x3047_c1860k.tar"


def zarr(folder: Path, array: np.ndarray, rows: int) -> None:
    """Writes an array in chunks of `rows` rows, compressed like the published ones."""
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": str(folder)},
        "metadata": {
            "shape": list(array.shape),
            "chunks": [min(rows, array.shape[0]), *array.shape[1:]],
            "dtype": array.dtype.str,
            "compressor": {"id": "gzip", "level": 1},
        },
        "create": True,
    }
    tensorstore.open(spec).result().write(array).result()


def archive(arrays: dict[str, np.ndarray], rows: int = 12_000) -> bytes:
    """Returns a T5X checkpoint as a tar with index, zarr folders and optimizer state."""
    with tempfile.TemporaryDirectory() as folder:
        target: dict = {}
        for name, array in arrays.items():
            dotted = f"target.{name.replace('/', '.')}"
            zarr(Path(folder, dotted), array, rows)
            *parents, last = name.split("/")
            node = target
            for part in parents:
                node = node.setdefault(part, {})
            node[last] = {"driver": "zarr", "kvstore": {"driver": "file", "path": f"{dotted}/"}}
        zarr(Path(folder, "state.param_states.a.kernel.v"), np.zeros((2, 2), np.float32), 2)
        step = msgpack.ExtType(3, msgpack.packb(((), "int32", b"\1\0\0\0")))
        moment = msgpack.ExtType(1, msgpack.packb(((1,), "float32", bytes(4))))
        state = {"step": step, "param_states": {"a": {"kernel": {"m": moment, "v_row": moment}}}}
        index = {"version": 3, "optimizer": {"target": target, "state": state}}
        Path(folder, "checkpoint").write_bytes(msgpack.packb(index))
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(folder, ".")
        return packed.getvalue()


def random_arrays(make: Callable[[nnx.Rngs], nnx.Module], name: Callable[[str], str], seed: int):
    """Returns random arrays for a network without building it."""
    source, arrays = RandomSource(seed), {}
    for path, leaf in nnx.to_flat_state(structure(make)[1]):
        bare = name("/".join(map(str, path)))
        arrays[bare] = source.read(bare, tuple(leaf.shape))
    return arrays


@cache
def transformer(seed: int) -> dict[str, np.ndarray]:
    config = TRANSFORMER.fitted(Format())
    return random_arrays(depthformer_maker(config), transformer_name, seed)


@cache
def codec() -> dict[str, np.ndarray]:
    return random_arrays(codec_maker(CODEC, PARTS, upsample_by_phases), codec_name(CODEC), 1)


def parts(arrays: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Returns a codec in the published form: one file for each part."""
    return {
        f"{MRT2}/resources/spectrostream/{part}.safetensors": save(
            {f"params/{name}": a for name, a in arrays.items() if name.startswith(f"{part}/")}
        )
        for part in ("encoder", "decoder", "quantizer")
    }


def musiccoca() -> dict[str, bytes]:
    """Returns the files of the style model by "owner/name/path"."""
    files = read_catalogue().models["musiccoca"].files
    return {f"{MRT2}/{file.path}": (MUSICCOCA / file.name).read_bytes() for file in files}


@cache
def published() -> dict[str, bytes]:
    """Returns all files of the catalogue by "owner/name/path", of networks that make audio."""
    archives = {BASE_TAR: archive(transformer(2)), LARGE_TAR: archive(transformer(3))}
    return archives | parts(codec()) | musiccoca()


@cache
def scraps() -> dict[str, bytes]:
    """Returns the same files with a few kilobytes in each, for tests that load no network."""
    source = RandomSource(5)
    shapes = {"token_embedder/embedding": (300, 8), "decoder/logits_dense/kernel": (8, 300)}
    one = {name: source.read(name, shape) for name, shape in shapes.items()}
    other = {name: 2 * array for name, array in one.items()}
    names = ["encoder/a/kernel", "decoder/a/kernel", "quantizer/embedding"]
    small = {name: source.read(name, (30, 30)) for name in names}
    archives = {BASE_TAR: archive(one, 64), LARGE_TAR: archive(other, 64)}
    models = {
        f"{MRT2}/checkpoints/mrt2_{size}.safetensors": save(one) for size in ("small", "base")
    }
    return archives | models | parts(small) | musiccoca()


def small(name: str, folder: Path) -> Path:
    """Writes a preset's pipeline file with the sizes of the stand-ins."""
    text = (ROOT / "presets" / f"{name}.toml").read_text("utf-8")
    for old, new in (
        (f'size = "{name}"', 'size = "tiny"'),
        ('size = "full"', 'size = "tiny"'),
        ("style_dim           = 768", f"style_dim = {TINY_FORMAT.style_dim}"),
        ("clip_s              = 10.0", f"clip_s = {TINY_FORMAT.clip_s}"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path
