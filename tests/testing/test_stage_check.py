"""`check_stage` finds each fault of a stage, and says what a good one was checked for."""

import importlib.util

import faulty_stages
import memo_stages
import numpy as np
import pytest

import soundstage
from soundstage.graph.port import Port
from soundstage.stages.toy import Gain
from soundstage.testing import ContractBroken, check_stage
from soundstage.testing.example_inputs import ExampleInputs

FORMAT = soundstage.Format(chunk_s=0.2, context_s=0.4)
FAULTS = {
    "Counts": "two calls with the same inputs gave different bytes",
    "RemembersOthers": "a call with other inputs changed what the next call returns",
    "ReusesItsOutput": "a call changed the outputs of an earlier call: return new arrays",
    "ChangesItsInput": "read-only: copy one before you change it",
    "SeesOtherRows": "output 'half' of a row changed when the inputs of another row changed",
    "CountsRows": "output 'half' of a row depends on the number of rows",
    "ReturnsDoubles": r"port 'half' takes float32 \[3\], got float64 \[3\]",
    "ReturnsAnotherName": r"expected values for \['half'\], got \['third'\]",
    "ReturnsAnArray": "the call returned ndarray, not a dict of the outputs",
    "ReturnsNan": "output 'half' has numbers that are not finite",
    "Raises": "a call raised ArithmeticError: two and two are not five",
    "CannotBeBuilt": "it cannot be built: KeyError: 'layers.0'",
    "HasNoOutputs": "does not declare its outputs",
    "TakesOtherInputs": r"declare __call__\(self, number\)",
    "TakesNoFormat": r"declare __init__\(self, params, format, device\)",
    "HasAnUnknownDimension": "no dimension 'chanel'; did you mean 'channel'",
    "HasAHalfDigest": "weights_digest is a SHA-256 of 64 hex digits, got 'ab12'",
    "RefusesBadly": "refusal returned bool",
    "LacksBadly": "lacking raised OSError: no such folder",
    "HasLooseParams": r"Loose is not frozen: write @dataclass\(frozen=True\)",
}


def check(name, **more):
    return check_stage(getattr(faulty_stages, name), format=FORMAT, new_process=False, **more)


@pytest.mark.parametrize(("name", "words"), FAULTS.items(), ids=FAULTS)
def test_fault_is_found(name, words):
    with pytest.raises(ContractBroken, match=words) as broken:
        check(name)
    assert len(broken.value.faults) == 1
    assert isinstance(broken.value, soundstage.Error)
    assert broken.value.stage == f"faulty_stages:{name}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RebuildsOther", "'sum' of a row is not what `rebuild` makes of the state"),
        ("SeesOtherRows", "'sum' of a row is not the same when another row changes"),
        ("ReturnsNoMemo", "it returned dict, not a tuple of its outputs and its memo"),
        ("ReturnsFewerRows", r"its memo's 'sum' is of shape \[0\], not an array with 3 rows"),
        ("NamesNoState", "is no input with an output of the same port"),
        ("CannotRebuild", r"declare rebuild\(self, past\)"),
    ],
)
def test_fault_of_a_memo_is_found(name, words):
    with pytest.raises(ContractBroken, match=words):
        check_stage(getattr(memo_stages, name), format=FORMAT, new_process=False)


@pytest.mark.parametrize("name", ["Window", "DeviceWindow", "DeviceState"])
def test_memo_that_is_rebuilt_bit_for_bit_keeps_the_contract(name):
    report = check_stage(getattr(memo_stages, name), format=FORMAT, new_process=False)
    assert "memo: equals what `rebuild` makes of the state, bit for bit" in report.checked


def test_stage_that_depends_on_the_process_is_found_by_a_new_process():
    with pytest.raises(ContractBroken, match="a new process gave different bytes"):
        check_stage(faulty_stages.DependsOnTheProcess, format=FORMAT)


def test_params_that_ray_cannot_send_are_found():
    pytest.importorskip("ray")
    with pytest.raises(ContractBroken, match=r"Ray cannot send it .* a lock cannot be pickled"):
        check("CannotBeSent")


def test_class_within_a_function_cannot_be_imported():
    class Local(faulty_stages.Half):
        pass

    with pytest.raises(ContractBroken, match=r"<locals>\.Local cannot be imported by its name"):
        check_stage(Local, format=FORMAT)


def test_report_says_what_was_checked_and_how_long_a_tick_takes():
    report = check_stage(Gain, {"gain_db": -6.0}, format=FORMAT, new_process=False)
    assert report.stage == "soundstage.stages.toy:Gain"
    assert report.tick_s > 0
    lines = str(report).splitlines()
    assert lines[0] == "soundstage.stages.toy:Gain keeps the contract of stages"
    assert "skipped  equal bytes in a new process: new_process=False" in lines
    assert any(line.startswith("time     ") and "ms a tick of 0.2 s" in line for line in lines)
    ray = any(text == "pickling by Ray" for text in report.checked)
    assert ray == (importlib.util.find_spec("ray") is not None)


def test_without_ray_the_report_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundstage.runners.ray.pickling", None)
    report = check_stage(Gain, format=FORMAT, new_process=False)
    wanted = "pickling by Ray: Ray is not installed: in soundstage's source folder, run pip"
    assert any(wanted in text for text in report.skipped)


@pytest.mark.parametrize("params", [{"gain_db": 100.0}, {"gain": 1.0}, {"gain_db": "loud"}])
def test_parameters_that_do_not_fit_are_a_fault(params):
    with pytest.raises(ContractBroken, match=r"stage\.params\.?"):
        check_stage(Gain, params, format=FORMAT, new_process=False)


def test_values_of_an_input_can_be_given():
    seen = []

    def silence(random, shape):
        seen.append(shape)
        return np.zeros(shape)

    check_stage(Gain, format=FORMAT, values={"audio": silence}, new_process=False)
    assert set(seen) == {(9600, 2)}
    with pytest.raises(ContractBroken, match="no input is named 'audo'; did you mean 'audio'"):
        check_stage(Gain, format=FORMAT, values={"audo": silence}, new_process=False)


@pytest.mark.parametrize(
    ("port", "low", "high"),
    [
        (Port("float32", ("channel",), "new", minimum=-2.0, maximum=3.0), -2, 3),
        (Port("float32", ("channel",), "new", minimum=0.0), 0, 9),
        (Port("int32", ("channel",), "new", minimum=5), 5, 14),
        (Port("uint8", ("channel",), "new", maximum=1), 0, 1),
        (Port("float32", ("channel",), "new", minimum=0.0, usual=(0.5, 1.0)), 0.5, 1.0),
    ],
)
def test_values_of_new_kinds_lie_within_the_bounds_of_their_port(port, low, high):
    values = ExampleInputs({"x": port}, FORMAT).inputs(range(50))["x"]
    assert values.dtype == port.dtype
    assert low <= values.min() < values.max() <= high


def test_texts_of_new_kinds_are_texts():
    ports = {"one": Port("utf8", (), "word"), "some": Port("utf8", ("~word",), "words")}
    inputs = ExampleInputs(ports, FORMAT).inputs([1, 2])
    texts = [*inputs["one"], *(text for row in inputs["some"] for text in row)]
    assert all(isinstance(text, str) for text in texts)
