"""The T5X reader reads every layout whole, and refuses damaged and hostile checkpoints."""

import gzip
import io
import tarfile
from pathlib import Path

import ml_dtypes
import msgpack
import numpy as np
import pytest
import tensorstore

from soundstage.stages.weights.array_source import WeightsError
from soundstage.stages.weights.sources import open_source
from soundstage.stages.weights.t5x import T5xSource

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "depthformer"

ARRAYS = {
    "encoder/layers_0/mlp/wi_0/kernel": (7, 10),
    "encoder/encoder_norm/scale": (7,),
    "token_embedder/embedding": (13, 7),
}


def values(name):
    shape = ARRAYS[name]
    return np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32)


def write_zarr(folder, array, chunks, **metadata):
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": str(folder)},
        "metadata": {
            "shape": list(array.shape),
            "chunks": list(chunks),
            "dtype": array.dtype.str if array.dtype != ml_dtypes.bfloat16 else "bfloat16",
            "compressor": {"id": "gzip", "level": 1},
            **metadata,
        },
        "create": True,
    }
    tensorstore.open(spec).result().write(array).result()


def inline(array):
    content = msgpack.packb((array.shape, array.dtype.name, array.tobytes()))
    return msgpack.ExtType(1, content)


def tree_of(leaves):
    tree = {}
    for name, leaf in leaves.items():
        *folders, last = name.split("/")
        node = tree
        for folder in folders:
            node = node.setdefault(folder, {})
        node[last] = leaf
    return tree


def leaf_spec(name):
    path = f"target.{name.replace('/', '.')}/"
    return {"driver": "zarr", "dtype": "float32", "kvstore": {"driver": "file", "path": path}}


def write_index(folder, leaves, optimizer_state=False):
    state = {"step": msgpack.ExtType(3, msgpack.packb(((), "int32", b"\1\0\0\0")))}
    if optimizer_state:
        state["param_states"] = tree_of({f"{name}/m": inline(np.zeros(1)) for name in ARRAYS})
    index = {"version": 3, "optimizer": {"target": tree_of(leaves), "state": state}}
    (folder / "checkpoint").write_bytes(msgpack.packb(index))


def write_checkpoint(folder, chunk=4, optimizer_state=False, **metadata):
    folder.mkdir(parents=True)
    for name, shape in ARRAYS.items():
        dotted = name.replace("/", ".")
        chunks = [min(chunk, size) for size in shape]
        write_zarr(folder / f"target.{dotted}", values(name), chunks, **metadata)
        if optimizer_state:
            second = folder / f"state.param_states.{dotted}.v"
            write_zarr(second, np.zeros(shape, np.float32), shape)
    write_index(folder, {name: leaf_spec(name) for name in ARRAYS}, optimizer_state)
    return folder


def pack(folder, path, top="."):
    with tarfile.open(path, "w") as archive:
        archive.add(folder, top)
    return path


def assert_whole(source):
    assert source.names() == ARRAYS
    for name, shape in ARRAYS.items():
        np.testing.assert_array_equal(source.read(name, shape), values(name), strict=True)


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
@pytest.mark.parametrize("optimizer_state", [False, True])
def test_arrays_in_any_number_of_chunks_are_read(tmp_path, chunk, optimizer_state):
    folder = write_checkpoint(tmp_path / "c", chunk, optimizer_state)
    assert_whole(open_source(str(folder)))
    assert_whole(open_source(str(pack(folder, tmp_path / "c.tar"))))


@pytest.mark.parametrize(
    "metadata",
    [
        {"compressor": None},
        {"compressor": {"id": "zlib", "level": 1}},
        {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1}},
        {"compressor": {"id": "zstd", "level": 1}},
        {"dimension_separator": "/"},
    ],
    ids=["raw", "zlib", "blosc", "zstd", "slash"],
)
def test_other_layouts_of_zarr_are_read(tmp_path, metadata):
    folder = write_checkpoint(tmp_path / "c", 4, **metadata)
    assert_whole(open_source(str(folder)))
    assert_whole(open_source(str(pack(folder, tmp_path / "c.tar"))))


def test_checkpoint_in_the_only_folder_of_its_path_is_found(tmp_path):
    folder = write_checkpoint(tmp_path / "outer" / "checkpoint_1860000")
    assert_whole(open_source(str(pack(folder, tmp_path / "c.tar", top="checkpoint_1860000"))))
    assert_whole(open_source(str(tmp_path / "outer")))


def test_checkpoint_without_an_index_is_read(tmp_path):
    folder = write_checkpoint(tmp_path / "c")
    (folder / "checkpoint").unlink()
    assert_whole(open_source(str(folder)))


def test_bfloat16_arrays_are_widened(tmp_path):
    stored = np.arange(12).reshape(3, 4).astype(ml_dtypes.bfloat16)
    write_zarr(tmp_path / "target.a.kernel", stored, (2, 3))
    source = T5xSource(tmp_path)
    np.testing.assert_array_equal(
        source.read("a/kernel", (3, 4)), stored.astype(np.float32), strict=True
    )


def test_inline_parameters_are_read_from_the_index(tmp_path):
    folder = write_checkpoint(tmp_path / "c")
    extra = np.arange(6, dtype=np.float32).reshape(2, 3)
    leaves = {name: leaf_spec(name) for name in ARRAYS} | {"inline/kernel": inline(extra)}
    write_index(folder, leaves)
    source = open_source(str(folder))
    assert source.names() == ARRAYS | {"inline/kernel": (2, 3)}
    np.testing.assert_array_equal(source.read("inline/kernel", (2, 3)), extra, strict=True)


def test_recorded_archive_equals_the_recorded_safetensors():
    if not REFERENCE.exists():
        pytest.skip("the reference recordings are not here")
    archive = open_source(str(REFERENCE / "t5x_checkpoint.tar"))
    flat = open_source(str(REFERENCE / "weights.safetensors"))
    assert archive.names() == flat.names()
    for name, shape in flat.names().items():
        np.testing.assert_array_equal(archive.read(name, shape), flat.read(name, shape))


EMBEDDING = "target.token_embedder.embedding"


def damage_chunk(folder):
    chunk = folder / EMBEDDING / "1.0"
    chunk.write_bytes(chunk.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda c: (c / EMBEDDING / "1.0").unlink(), "lacks chunk 1.0"),
        (damage_chunk, "cannot be read"),
        (lambda c: (c / EMBEDDING / "1.0").write_bytes(b""), "cannot be read"),
        (lambda c: (c / EMBEDDING / ".zarray").unlink(), "has no .zarray"),
        (lambda c: (c / EMBEDDING / ".zarray").write_text("{"), "damaged"),
        (
            lambda c: (c / EMBEDDING / ".zarray").write_text('{"shape": [13], "chunks": [0]}'),
            "is impossible",
        ),
        (
            lambda c: (c / EMBEDDING / ".zarray").write_text(
                '{"shape": [13, 7], "chunks": [99999999, 99999999]}'
            ),
            "is impossible",
        ),
        (
            lambda c: (c / EMBEDDING / ".zarray").write_text(
                '{"shape": [99999999999, 7], "chunks": [1, 1]}'
            ),
            "is impossible",
        ),
        (
            lambda c: (c / EMBEDDING / "1.0").write_bytes(gzip.compress(bytes(10_000))),
            "chunk 1.0 unpacks to more than 64 bytes",
        ),
        (lambda c: (c / "checkpoint").write_bytes(b"\x81"), "checkpoint is damaged"),
        (lambda c: (c / "checkpoint").write_bytes(b"\x80"), "no optimizer/target"),
        (lambda c: write_index(c, {"a/b": leaf_spec("a/b")}), "names a/b, but there is no folder"),
    ],
    ids=[
        "chunk-gone",
        "chunk-cut",
        "chunk-empty",
        "header-gone",
        "header-cut",
        "ranks",
        "huge-chunk",
        "huge-array",
        "bomb",
        "index-cut",
        "index-empty",
        "array-gone",
    ],
)
def test_damaged_checkpoint_is_refused_with_the_reason(tmp_path, damage, reason):
    folder = write_checkpoint(tmp_path / "c")
    damage(folder)
    for path in (folder, pack(folder, tmp_path / "c.tar")):
        with pytest.raises(WeightsError, match=reason):
            assert_whole(open_source(str(path)))


def test_array_of_another_shape_or_name_is_refused(tmp_path):
    source = open_source(str(write_checkpoint(tmp_path / "c")))
    with pytest.raises(WeightsError, match=r"has shape \(13, 7\), .* needs \(13, 8\)"):
        source.read("token_embedder/embedding", (13, 8))
    with pytest.raises(WeightsError, match="no array called"):
        source.read("token_embedder/kernel", (13, 7))


def with_member(path, member, content=b""):
    with tarfile.open(path, "a") as archive:
        archive.addfile(member, io.BytesIO(content))


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("hostile", "reason"),
    [
        (member("../escape"), "leaves the archive"),
        (member("/etc/escape"), "leaves the archive"),
        (member("target.a/0", tarfile.SYMTYPE, "/etc/passwd"), "not a plain file"),
        (member("target.a/0", tarfile.LNKTYPE, "checkpoint"), "not a plain file"),
        (member("device", tarfile.CHRTYPE), "not a plain file"),
        (member("pipe", tarfile.FIFOTYPE), "not a plain file"),
    ],
    ids=["dots", "absolute", "symlink", "hardlink", "device", "fifo"],
)
def test_archive_with_anything_but_plain_files_is_refused(tmp_path, hostile, reason):
    path = pack(write_checkpoint(tmp_path / "c"), tmp_path / "c.tar")
    with_member(path, hostile)
    with pytest.raises(WeightsError, match=reason):
        open_source(str(path))


def test_archive_member_larger_than_the_archive_is_refused(tmp_path):
    path = pack(write_checkpoint(tmp_path / "c"), tmp_path / "c.tar")
    huge = member("target.a/0")
    huge.size = 1 << 40
    with path.open("ab") as file:
        file.truncate(path.stat().st_size - 2 * tarfile.BLOCKSIZE)
    with tarfile.open(path) as archive:
        end = max(info.offset_data + -(-info.size // 512) * 512 for info in archive)
    content = path.read_bytes()[:end] + huge.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cut off"):
        open_source(str(path))


@pytest.mark.parametrize("part", [0.0, 0.3, 0.5, 0.9])
def test_truncated_archive_is_refused(tmp_path, part):
    path = pack(write_checkpoint(tmp_path / "c"), tmp_path / "c.tar")
    with tarfile.open(path) as archive:
        end = max(info.offset_data + info.size for info in archive)
    path.write_bytes(path.read_bytes()[: int(part * end)])
    with pytest.raises(WeightsError):
        assert_whole(open_source(str(path)))


def test_reading_leaves_no_file_behind(tmp_path):
    path = pack(write_checkpoint(tmp_path / "c"), tmp_path / "c.tar")
    before = sorted(tmp_path.rglob("*"))
    source = open_source(str(path))
    assert_whole(source)
    source.close()
    assert sorted(tmp_path.rglob("*")) == before
