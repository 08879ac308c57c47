"""Arrays of JAX pass between the stages of a process that take them; nobody else sees any."""

from itertools import islice

import jax
import ml_dtypes
import numpy as np
import pytest
from small_graphs import past

import soundstage
from soundstage.graph import wire
from soundstage.graph.check import build
from soundstage.graph.spec import parse
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.files import read_session
from soundstage.runners.sessions.session import Session
from soundstage.testing import check_stage

ALLOW = ["device_stages"]
INPUTS = {"level": 1.5, "words": ["a"]}


def graph(outputs, **stages):
    """Returns a graph of stages: (class, inputs)."""
    tables = {
        name: {"use": f"device_stages:{use}", "inputs": inputs}
        for name, (use, inputs) in stages.items()
    }
    spec = {"schema": 1, "name": "device", "inputs": INPUTS, "outputs": outputs, "stage": tables}
    return build(parse(spec), ALLOW)


DOUBLE = ("Double", {"level": "in.level"})
SUM = ("Sum", {"level": "double.level", "past": past("sum.sum", 0.0)})
SUMS = graph({"sum": "sum.sum"}, double=DOUBLE, sum=SUM)


def test_array_passes_on_the_device():
    with LocalRunner(SUMS) as runner:
        session = Session(runner)
        next(session)
        raw = session.state.values.raw["sum.sum"]
        assert isinstance(raw, jax.Array)
        chunk = next(session)
    assert chunk.outputs["sum"].tolist() == [6]
    assert isinstance(chunk.outputs["sum"], np.ndarray)
    assert not chunk.outputs["sum"].flags.writeable
    assert not session.state.values["sum.sum"].flags.writeable


def test_session_and_messages_have_arrays_of_numpy(tmp_path):
    with LocalRunner(SUMS) as runner:
        session = Session(runner, [{"level": 1}, {"level": 2}])
        chunk = list(islice(session, 2))[-1]
        session.save(tmp_path / "s.session")
        expected = next(session).outputs["sum"].tolist()
        assert expected == [6, 12]
        ports, dims = runner.graph.nodes["sum"].outputs, runner.graph.format.dims
        message = wire.decode(ports, chunk.messages["sum"], dims)
        assert message.values["sum"].tolist() == [4, 8]
        assert chunk.state.pick([1]).values["sum.sum"].tolist() == [8]
        resumed = Session.resume(runner, read_session(tmp_path / "s.session"))
        assert next(resumed).outputs["sum"].tolist() == expected


@pytest.mark.parametrize(
    ("use", "kinds"),
    [
        ("Report", "jax read-only int64 numpy read-only 2"),
        ("ReportPlain", "numpy read-only int64 numpy read-only 2"),
    ],
)
def test_stage_gets_the_arrays_that_it_takes(use, kinds):
    wires = {"level": "double.level", "chunk": "clock.chunk", "words": "in.words"}
    with LocalRunner(
        graph({"kinds": "report.kinds"}, double=DOUBLE, report=(use, wires))
    ) as runner:
        for chunk in islice(Session(runner), 2):
            assert chunk.outputs["kinds"] == [kinds]  # its list of words is its own in every tick


def test_unchanged_arrays_on_a_device_are_reused():
    double = ("Double", {"level": "first.level"})
    with LocalRunner(graph({"level": "double.level"}, first=DOUBLE, double=double)) as runner:
        session = Session(runner)
        next(session)
        assert set(next(session).seconds.values()) == {0.0}
        session.steer(level=3)
        assert next(session).outputs["level"].tolist() == [12]


def test_rows_of_replicas_are_joined():
    spec = SUMS.spec.as_dict() | {"placement": {"sum": {"device": "cpu", "replicas": 2}}}
    with LocalRunner(build(parse(spec), ALLOW)) as runner:
        session = Session(runner, [{"level": level} for level in (1, 2, 3)])
        assert list(islice(session, 2))[-1].outputs["sum"].tolist() == [4, 8, 12]


def test_array_of_jax_from_a_stage_that_does_not_declare_them_is_refused():
    with LocalRunner(graph({"n": "a.level"}, a=("ReturnsDeviceArrays", DOUBLE[1]))) as runner:
        with pytest.raises(StageFailed, match=r"'a' failed at chunk 0: .*return np\.asarray"):
            next(Session(runner))


def test_bfloat16_passes_a_port():
    with LocalRunner(graph({"half": "half.half"}, half=("Half", DOUBLE[1]))) as runner:
        chunk = next(Session(runner))
    assert chunk.outputs["half"].dtype == ml_dtypes.bfloat16
    assert chunk.outputs["half"].tolist() == [[1.5, 1.5]]


@pytest.mark.parametrize("name", ["Double", "Sum", "Half"])
def test_stage_that_takes_device_arrays_keeps_the_contract(name):
    import device_stages

    check_stage(
        getattr(device_stages, name), format=soundstage.Format(chunk_s=0.2), new_process=False
    )
