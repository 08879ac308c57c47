"""Messages: values that fit their port are encoded and decoded exactly, others are refused."""

import re

import ml_dtypes
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_messages import CLIPS, DIMS, PORTS, SEED, TITLE, TOKENS, encoded, small_values

from soundstage.graph import wire
from soundstage.graph.format import Format
from soundstage.graph.port import DTYPES, Port
from soundstage.runners.traces.message_columns import read_columns

NAMES = st.text("abcdefghijklmnopqrstuvwxyz_é", min_size=1, max_size=8).filter(
    lambda name: name not in (wire.STREAM_KEY, wire.CHUNK_KEY)
)
many = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def ports(draw):
    dtype = draw(st.sampled_from(DTYPES))
    fixed = [] if dtype == "utf8" else draw(st.lists(st.sampled_from([*DIMS]), max_size=3))
    ragged = draw(st.sampled_from([(), ("~clip",)]))
    return Port(dtype, (*ragged, *fixed), draw(st.text(max_size=6)), draw(st.text(max_size=6)))


def arrays(dtype, shape):
    """Arrays of any bits, which include NaNs of every kind, -0.0 and denormal numbers."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    bits = st.binary(min_size=size, max_size=size)
    return bits.map(lambda raw: np.frombuffer(raw, dtype).reshape(shape))


@st.composite
def values(draw, port, rows):
    if port.dtype == "utf8":
        text = st.lists(st.text(max_size=5), max_size=3) if port.ragged else st.text(max_size=5)
        return draw(st.lists(text, min_size=rows, max_size=rows))
    shape = wire.fixed_shape(port, DIMS)
    if port.ragged:
        lengths = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
        return [draw(arrays(port.dtype, (length, *shape))) for length in lengths]
    return draw(arrays(port.dtype, (rows, *shape)))


@st.composite
def messages(draw):
    declared = draw(st.dictionaries(NAMES, ports(), max_size=4))
    rows = draw(st.integers(1, 3))
    sent = {name: draw(values(port, rows)) for name, port in declared.items()}
    streams = draw(st.lists(st.text(max_size=4), min_size=rows, max_size=rows))
    chunk = st.integers(-(2**63), 2**63 - 1)
    return declared, sent, streams, draw(st.lists(chunk, min_size=rows, max_size=rows))


@many
@given(messages())
def test_decoding_returns_exactly_the_encoded_values(message):
    declared, sent, streams, chunks = message
    buffer = wire.encode(declared, sent, streams, chunks, DIMS)
    decoded = wire.decode(declared, buffer, DIMS)
    assert (decoded.streams, decoded.chunks) == (tuple(streams), tuple(chunks))
    assert list(decoded.values) == list(sent)
    for name, value in sent.items():
        assert wire.equal(decoded.values[name], value), name
        assert type(decoded.values[name]) is type(value)


@many
@given(messages())
def test_equal_messages_have_equal_bytes(message):
    declared, sent, streams, chunks = message
    first = wire.encode(declared, sent, streams, chunks, DIMS)
    copies = {
        name: value.copy() if isinstance(value, np.ndarray) else list(value)
        for name, value in sent.items()
    }
    assert first.to_pybytes() == wire.encode(declared, copies, streams, chunks, DIMS).to_pybytes()


@many
@given(messages())
def test_decoded_arrays_are_read_only_views_of_the_buffer(message):
    declared, sent, streams, chunks = message
    buffer = wire.encode(declared, sent, streams, chunks, DIMS)
    memory = np.frombuffer(buffer, np.uint8)
    for value in wire.decode(declared, buffer, DIMS).values.values():
        for array in value if isinstance(value, list) else [value]:
            if isinstance(array, np.ndarray):
                assert not array.flags.writeable
                assert array.flags.c_contiguous
                assert np.shares_memory(array, memory) or not array.size


@many
@given(messages(), st.data())
def test_chosen_columns_of_a_message_can_be_decoded_alone(message, data):
    declared, sent, streams, chunks = message
    buffer = wire.encode(declared, sent, streams, chunks, DIMS)
    chosen = data.draw(st.lists(st.sampled_from([*declared]), unique=True) if sent else st.just([]))
    decoded = wire.decode(declared, buffer, DIMS, only=chosen)
    assert list(decoded.values) == chosen


@pytest.mark.parametrize(
    "laid_out",
    [
        np.asfortranarray,
        lambda array: np.ascontiguousarray(array.T).T,
        lambda array: np.ascontiguousarray(array.transpose(0, 2, 1)).transpose(0, 2, 1),
        lambda array: np.repeat(array, 2, axis=1)[:, ::2],
        lambda array: array[::-1][::-1],
    ],
    ids=["Fortran order", "transposed", "axes swapped", "strided", "backwards twice"],
)
def test_memory_layout_of_an_array_does_not_change_the_bytes(laid_out):
    array = laid_out(small_values()["tokens"])
    assert encoded({"tokens": array}).to_pybytes() == encoded().to_pybytes()
    clips = [laid_out(np.ones((2, 5, 1), np.float32)).reshape(2, 5)[:, ::-1][:, ::-1]]
    buffer = wire.encode({"clips": CLIPS}, {"clips": clips}, ["a"], [0], DIMS)
    assert wire.decode({"clips": CLIPS}, buffer, DIMS).values["clips"][0].sum() == 10


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("tokens", np.zeros((2, 3, 2), np.int64), "takes int32 [2, 3, 2], got int64 [2, 3, 2]"),
        ("tokens", np.zeros((2, 2, 3), np.int32), "takes int32 [2, 3, 2], got int32 [2, 2, 3]"),
        ("tokens", np.zeros((3, 3, 2), np.int32), "takes int32 [2, 3, 2], got int32 [3, 3, 2]"),
        ("tokens", np.zeros((2, 3, 2), ">i4"), "takes int32 [2, 3, 2], got >i4 [2, 3, 2]"),
        ("tokens", [[0]], "takes int32 [2, 3, 2], got a list of 1"),
        ("seed", np.zeros((2, 1), np.int64), "takes int64 [2], got int64 [2, 1]"),
        ("seed", 7, "takes int64 [2], got int"),
        ("clips", np.zeros((2, 1, 5), np.float32), "takes 2 arrays of float32 ['~clip', 5], got "),
        ("clips", [np.zeros((1, 5), np.float32)], "takes 2 arrays of float32 ['~clip', 5], got a "),
        ("clips", [np.zeros((1, 4), np.float32)] * 2, "got float32 [1, 4]"),
        ("clips", [np.zeros((1, 5), np.float16)] * 2, "got float16 [1, 5]"),
        ("clips", [np.array(1.0, np.float32)] * 2, "got float32 []"),
        ("clips", None, "got NoneType"),
        ("texts", [["a"]], "takes a list of text for each of 2 rows, got a list of 1"),
        ("texts", ["a", "b"], "takes a list of text for each of 2 rows, got str"),
        ("texts", [["a"], [None]], "takes a list of text for each of 2 rows, got a list of 1"),
        ("texts", None, "got NoneType"),
        ("texts", [["a"], ["\ud800"]], "surrogates not allowed"),
        ("title", "ab", "takes text for each of 2 rows, got str"),
        ("title", ["a", None], "takes text for each of 2 rows, got NoneType"),
        ("title", ["a", b"b"], "takes text for each of 2 rows, got bytes"),
        ("title", np.array(["a", "b"]), "takes text for each of 2 rows, got <U1 [2]"),
    ],
)
def test_value_that_does_not_fit_its_port_is_refused_by_name(name, value, reason):
    with pytest.raises(wire.WireError, match=re.escape(reason)) as refused:
        encoded({name: value})
    assert str(refused.value).startswith(f"port {name!r} takes ")


def test_scalar_as_a_ragged_row_is_refused():
    port = Port("float32", ("~clip",), "weight")
    with pytest.raises(wire.WireError, match=re.escape("['~clip'], got float32 []")):
        wire.encode({"w": port}, {"w": [np.array(1.0, np.float32)]}, ["a"], [0], DIMS)


def test_missing_and_extra_values_are_refused_by_name():
    with pytest.raises(wire.WireError, match=r"expected values for \['clips', .*'tempo'"):
        encoded({"tempo": 1})
    with pytest.raises(wire.WireError, match=r"expected values for .*'tempo'.*, got \['clips'"):
        encoded(declared=PORTS | {"tempo": SEED})


def test_message_without_streams_or_chunks_is_refused():
    with pytest.raises(wire.WireError, match="at least one stream"):
        wire.encode({}, {}, [], [], DIMS)
    with pytest.raises(wire.WireError, match="2 streams but 1 chunk"):
        wire.encode({}, {}, ["a", "b"], [0], DIMS)


@pytest.mark.parametrize(
    ("name", "port", "reason"),
    [
        ("tempo", SEED, "the message has no 'tempo'; it has ['_stream', '_chunk', 'tokens',"),
        ("seed", Port("int32", (), "seed"), "'seed' is int64, expected int32"),
        ("seed", Port("int64", (), "tempo"), "'seed' carries 'seed', expected 'tempo'"),
        ("tokens", Port("int32", ("level", "frame"), "codec token"), "expected extension"),
        ("clips", Port("float32", ("~clip", "frame"), "audio"), "'clips' is list"),
        ("texts", TITLE, "'texts' is list<item: string>, expected string"),
    ],
)
def test_message_with_an_unexpected_column_is_refused_by_name(name, port, reason):
    with pytest.raises(wire.WireError, match=re.escape(reason)):
        wire.decode({name: port}, encoded(), DIMS)


def test_bfloat16_is_sent_as_the_bits_of_uint16():
    port, plain = Port("bfloat16", ("level",), "key"), Port("uint8", (), "number")
    values = np.array([[1.5, -0.0], [np.inf, 3e38]], ml_dtypes.bfloat16)
    ports = {"key": port, "n": plain}
    buffer = wire.encode(
        ports, {"key": values, "n": np.zeros(2, np.uint8)}, ["a", "b"], [0, 0], DIMS
    )
    schema = wire.read_batch(buffer).schema
    assert schema.field("key").type.value_type == pa.uint16()
    assert schema.field("key").metadata[b"dtype"] == b"bfloat16"
    assert b"dtype" not in schema.field("n").metadata
    decoded = wire.decode(ports, buffer, DIMS).values["key"]
    assert decoded.dtype == ml_dtypes.bfloat16
    assert decoded.astype(np.float32).tolist() == [[1.5, -0.0], [np.inf, pytest.approx(3e38, 0.01)]]
    column = read_columns(buffer).ports["key"]
    assert column.spelled_type == "bfloat16 [level=2] key"
    assert column.rows[1][0] == np.inf
    integers = Port("float16", ("level",), "key")
    with pytest.raises(wire.WireError, match=r"'key' is .*uint16.*, expected .*halffloat"):
        wire.decode({"key": integers}, buffer, DIMS)


def test_port_with_the_name_of_a_key_column_is_refused():
    for name in (wire.STREAM_KEY, wire.CHUNK_KEY):
        with pytest.raises(wire.WireError, match=f"may not be called .*{name}"):
            wire.encode({name: SEED}, {name: np.zeros(1, np.int64)}, ["a"], [0], DIMS)


def test_axes_of_equal_size_are_distinguished_by_name():
    square = DIMS | {"level": 3}
    value = {"tokens": np.zeros((1, 3, 3), np.int32)}
    buffer = wire.encode({"tokens": TOKENS}, value, ["a"], [0], square)
    turned = Port("int32", ("level", "frame"), TOKENS.kind)
    with pytest.raises(wire.WireError, match="'tokens' is"):
        wire.decode({"tokens": turned}, buffer, square)


def test_arrow_schema_has_kind_and_unit_of_every_port():
    with pa.ipc.open_stream(encoded()) as reader:
        schema = reader.schema
    assert schema.names == ["_stream", "_chunk", *PORTS]
    for name, port in PORTS.items():
        metadata = schema.field(name).metadata
        assert metadata == {b"kind": port.kind.encode(), b"unit": port.unit.encode()}
        assert not schema.field(name).nullable
    assert schema.equals(wire.schema(PORTS, DIMS), check_metadata=True)


def test_fixed_shape_has_the_sizes_of_the_format():
    dims = Format().dims
    assert wire.fixed_shape(Port("int32", ("context_frame", "level"), "t"), dims) == (250, 16)
    assert wire.fixed_shape(Port("float32", ("~clip", "clip_sample"), "a"), dims) == (160_000,)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (np.array([0.0], np.float32), np.array([-0.0], np.float32), False),
        (np.array([np.nan], np.float32), np.array([np.nan], np.float32), True),
        (np.array([1], np.int32), np.array([1], np.int64), False),
        (np.zeros((1, 2)), np.zeros((2, 1)), False),
        (np.arange(4).reshape(2, 2).T, np.array([[0, 2], [1, 3]]), True),
        ([np.zeros(2)], [np.zeros(2)], True),
        ([np.zeros(2)], [np.zeros(3)], False),
        ([np.zeros(2)], [np.zeros(2), np.zeros(2)], False),
        (["a"], ["a"], True),
        ([["a"], []], [["a"], [""]], False),
        (np.zeros(1), [0.0], False),
    ],
)
def test_equal_means_the_same_bytes(one, other, same):
    assert wire.equal(one, other) is same
    assert wire.equal(other, one) is same
