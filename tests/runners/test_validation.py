"""With `validate`, a runner finds stages that break their contract while they play."""

from itertools import islice

import pytest
from command_line import run, told
from memo_graphs import window
from running_graphs import SELF_LOOP, graph

import soundstage
from soundstage.errors import UsageError
from soundstage.graph.check import build
from soundstage.graph.spec import parse
from soundstage.runners.choice import RunnerChoice
from soundstage.runners.local import LocalRunner
from soundstage.runners.runner import StageFailed
from soundstage.runners.sessions.session import Session


def faulty(use):
    spec = {
        "schema": 1,
        "name": "faulty",
        "inputs": {"number": 3.0},
        "outputs": {"half": "bad.half"},
        "stage": {"bad": {"use": f"faulty_stages:{use}", "inputs": {"number": "in.number"}}},
    }
    return build(parse(spec), ["faulty_stages"])


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        ("Counts", "two calls with the same inputs gave different 'half'"),
        ("ReturnsNan", "output 'half' has numbers that are not finite"),
    ],
)
def test_stage_that_breaks_its_contract_is_found_only_with_validation(use, reason):
    with LocalRunner(faulty(use)) as runner:
        next(Session(runner))
    with LocalRunner(faulty(use), validate=True) as runner:
        with pytest.raises(StageFailed, match=f"'bad' failed at chunk 0: {reason}"):
            next(Session(runner))


def test_memo_that_differs_from_a_rebuilt_one_is_found():
    with LocalRunner(window("RebuildsOther"), validate=True) as runner:
        session = Session(runner)
        next(session)  # its memo was rebuilt in both calls
        with pytest.raises(StageFailed, match="different 'sum'; the second call had a rebuilt"):
            list(islice(session, 3))


@pytest.mark.parametrize("use", ["Window", "DeviceWindow", "DeviceState"])
def test_validation_changes_no_byte_of_a_sound_stage(use):
    with LocalRunner(window(use), validate=True) as runner:
        made = [chunk.outputs["sum"].tolist() for chunk in islice(Session(runner), 5)]
    assert made == [[1], [2], [3], [4], [4]]
    with LocalRunner(graph(SELF_LOOP, {"n": "count.sum"}, {"step": 3}), validate=True) as runner:
        made = [chunk.outputs["n"].tolist() for chunk in islice(Session(runner), 3)]
    assert made == [[3], [6], [9]]


def test_option_validates_a_preset_and_needs_this_process(tmp_path):
    toy = ("--preset", "toy", "--set", "format.chunk_s=0.2", "--duration", 0.4)
    done = run("generate", "bells", *toy, "--validate", "--output", tmp_path / "x.wav")
    assert done.code == 0, done.stderr
    done = run("generate", "bells", "--runner", "ray", "--validate", "--output", tmp_path / "x.wav")
    assert (done.code, told(done.stderr)) == (2, "--validate needs --runner local")
    with pytest.raises(UsageError, match="--validate needs --runner local"):
        RunnerChoice("ray", validate=True)
    choice = RunnerChoice(validate=True)
    with soundstage.open("toy", settings=["format.chunk_s=0.2"], runner=choice) as session:
        assert next(session).audio.shape == (1, 9600, 2)
