"""`soundstage doctor`: verdict and advice follow from the measurements."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import run, told
from played_graphs import CHUNK_S, dragging, graph, hitching, humming, toml

import soundstage
from soundstage.apps.commands.doctor.advice import advise
from soundstage.apps.commands.doctor.machine import Folder, Machine, folder
from soundstage.apps.commands.doctor.measurement import Examination, examine
from soundstage.apps.commands.doctor.report import Diagnosis
from soundstage.progress import Silent
from soundstage.runners.timing.realtime import Verdict
from soundstage.runners.timing.stage_times import Measured, StageTimes

SLOW_S = 2 * CHUNK_S


@pytest.fixture(scope="module")
def slow():
    """A graph with a stage that takes twice the length of the music, and its measurements."""
    checked = graph(dragging(SLOW_S))
    return checked, examine(checked, 2, Silent())


def machine(**more):
    quiet = Machine(
        processor="one",
        cores=4,
        load=0.1,
        memory_bytes=8_000_000_000,
        available_bytes=6_000_000_000,
        system="Linux",
        versions={"soundstage": "1"},
        devices=("cpu:0 cpu",),
        has_nvidia=False,
        cache=Folder(Path("/cache"), 0, 10),
        sound=("0 speakers",),
        no_sound="",
        players=(),
    )
    return replace(quiet, **more)


def test_every_stage_and_the_whole_chunk_are_measured(slow):
    _, examination = slow
    assert set(examination.measured.times) == {"index", "slow", "hum"}
    assert SLOW_S <= examination.measured.times["slow"].steady_s[1] < examination.verdict.worst_s
    assert examination.measured.times["hum"].steady_s[1] < SLOW_S
    assert examination.verdict.word == "too slow"
    assert examination.verdict.usual_s >= SLOW_S
    assert examination.start_s.keys() == {"loading", "compiling"}
    assert examination.peak_bytes > 10_000_000


def test_chunk_already_made_by_warming_up_is_not_measured():
    one_slow_chunk = graph(hitching(0, SLOW_S))
    assert examine(one_slow_chunk, 2, Silent()).verdict.word == "plays"
    assert examine(graph(dragging(SLOW_S)), 1, Silent()).verdict.word == "too slow"


def test_stage_without_new_inputs_is_also_measured_after_a_steer():
    examination = examine(soundstage.load("toy"), 15, Silent())
    embed = examination.measured.times["embed"]
    assert embed.steered_s[1] > embed.steady_s[1]


@pytest.mark.parametrize(
    ("walls_s", "word", "words"),
    [
        ([0.4, 0.5, 9.0], "plays", "4.0 x real time"),
        ([1.7, 1.8, 1.9], "barely", "only just"),
        ([2.1, 2.5, 2.0], "too slow", "does not play"),
    ],
)
def test_verdict_follows_from_the_median_time(walls_s, word, words):
    verdict = Verdict.of(2.0, walls_s)
    assert verdict.word == word
    assert words in str(verdict)
    assert verdict.worst_s == max(walls_s)
    assert verdict.margin == pytest.approx(1 / verdict.rtf)


def test_json_of_doctor_holds_verdict_stages_and_machine(tmp_path):
    done = run("doctor", "toy", "--chunks", 1, "--json")
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["verdict"] == "plays"
    assert report["measured"]["stages"].keys() >= {"sample", "decode"}
    assert report["measured"]["margin"] > 1
    assert report["machine"]["devices"]
    assert {"soundstage", "jax", "numpy"} <= report["machine"]["versions"].keys()


def test_pipeline_that_is_too_slow_exits_with_1_and_names_its_stage(tmp_path):
    file = tmp_path / "slow.toml"
    file.write_text(toml(dragging(SLOW_S)))
    done = run("doctor", file, "--allow", "small_stages", "--chunks", 1)
    assert done.code == 1
    assert "verdict    does not play in real time: 0.4 s of music take " in done.stdout
    assert "advice     the stage slow takes " in done.stdout
    assert "soundstage generate" in done.stdout


def test_missing_weights_exit_with_5_and_name_the_download(home):
    done = run("doctor", "large")
    assert done.code == 5
    assert "weights    depthformer-large: missing" in done.stdout
    assert "soundstage models download large" in done.stdout.splitlines()[-1]
    report = json.loads(run("doctor", "large", "--json").stdout)
    assert (report["verdict"], report["measured"]) == ("weights missing", None)


def test_unknown_pipeline_is_refused():
    done = run("doctor", "none")
    assert done.code == 4
    assert "none" in told(done.stderr)


# ---- advice


def advice(slow, **about):
    checked, examination = slow
    return list(advise(checked, machine(**about), examination))


def test_without_a_gpu_the_heaviest_stage_is_named(slow):
    first, last = advice(slow)
    assert first.startswith("the stage slow takes ")
    assert "a GPU is faster, and this machine has none" in first
    # A chunk sleeps twice its length; a busy machine only adds to that.
    assert float(re.search(r"takes ([0-9.]+) x as long as the music", last)[1]) >= 2.0


def test_gpu_that_jax_does_not_see_is_named_with_its_cure(slow):
    assert "jax[cuda12]" in advice(slow, has_nvidia=True)[0]


def test_heavy_stage_on_the_processor_is_advised_to_move():
    tables = dragging(SLOW_S) | {"placement": {"default": "cpu"}}
    checked = graph(tables)
    examination = examine(checked, 1, Silent())
    sentences = list(advise(checked, machine(devices=("gpu:0 H100", "cpu:0 cpu")), examination))
    assert any("--place slow=auto" in sentence for sentence in sentences)


def test_busy_machine_is_the_first_advice(slow):
    assert "busy with something else" in advice(slow, load=3.0)[0]


def test_overlap_of_stages_is_advised_with_its_predicted_time():
    checked = graph(humming() | {"placement": {"slow": "gpu:0", "hum": "gpu:1"}})
    seconds = {"index": 0.0, "slow": 0.3, "hum": 0.2}
    times = {name: StageTimes({1: each}, {1: each}) for name, each in seconds.items()}
    measured = Measured(checked.spec, times, 1, 3)
    examination = Examination(Verdict(CHUNK_S, 0.5, 0.6), measured, {}, 0.5, 1)
    sentences = list(
        advise(checked, machine(devices=("gpu:0 A", "gpu:1 A", "cpu:0 cpu")), examination)
    )
    assert any(
        "--window 2`: a chunk every 0.30 s is predicted" in sentence for sentence in sentences
    )


def test_smaller_network_is_named_if_there_is_one():
    checked = soundstage.load("tiny", settings=["sample.params.size=large"])
    times = {name: StageTimes({1: 1.0}, {1: 1.0}) for name in checked.nodes}
    examination = Examination(
        Verdict(2.0, 7.0, 7.0), Measured(checked.spec, times, 1, 3), {}, 7.0, 1
    )
    assert any(
        "`soundstage doctor base`" in sentence
        for sentence in advise(checked, machine(), examination)
    )


def fewer_bits(checked, seconds, **about):
    times = {name: StageTimes({1: each}, {1: each}) for name, each in seconds.items()}
    measured = Measured(checked.spec, times, 1, 3)
    examination = Examination(Verdict(2.0, 7.0, 7.0), measured, {}, 7.0, 1)
    return [s for s in advise(checked, machine(**about), examination) if "fewer bits" in s]


def test_networks_that_take_long_on_a_processor_are_advised_to_compute_in_integers():
    checked = soundstage.load("mrt2-tiny")
    seconds = dict.fromkeys(checked.nodes, 0.01) | {"step": 1.0, "decode": 0.8}
    (sentence,) = fewer_bits(checked, seconds)
    settings = "`--set step.params.dtype=int8 --set decode.params.convolution=int16`"
    assert settings in sentence
    assert "`pip install '.[cpu]'`" in sentence
    (sentence,) = fewer_bits(checked, seconds | {"decode": 0.01})
    assert "`--set step.params.dtype=int8`" in sentence
    slow_there = soundstage.load("mrt2-tiny", settings=["step.params.dtype=bfloat16"])
    assert fewer_bits(slow_there, seconds | {"decode": 0.01}) == [sentence]
    assert fewer_bits(checked, seconds, devices=("gpu:0 H100", "cpu:0 cpu")) == []


def test_networks_that_compute_in_integers_are_not_advised_to():
    settings = ["step.params.dtype=int8", "decode.params.convolution=int16"]
    checked = soundstage.load("mrt2-tiny", settings=settings)
    assert fewer_bits(checked, dict.fromkeys(checked.nodes, 1.0)) == []
    # `int8` is refused beside products that were chosen otherwise.
    settings = ["step.params.products=xla", "decode.params.convolution=int16"]
    checked = soundstage.load("mrt2-tiny", settings=settings)
    assert fewer_bits(checked, dict.fromkeys(checked.nodes, 1.0)) == []


def test_pipeline_that_plays_needs_advice_only_without_sound(slow):
    checked, examination = slow
    plays = replace(examination, verdict=Verdict(2.0, 0.1, 0.2))
    assert list(advise(checked, machine(), plays)) == []
    (sentence,) = advise(checked, machine(sound=(), no_sound="none"), plays)
    assert "--output" in sentence
    barely = replace(examination, verdict=Verdict(2.0, 1.9, 2.0))
    assert any("--latency 6" in sentence for sentence in advise(checked, machine(), barely))


def test_report_names_stages_devices_and_advice(slow):
    checked, examination = slow
    lines = list(Diagnosis(checked, machine(), {}, "", examination, ("rest",)).lines())
    assert any(line.startswith("slow ") and "cpu:0" in line for line in lines)
    assert "advice     rest" in lines
    assert "sound      0 speakers" in lines


def test_start_is_loading_and_the_chunk_that_compiles(slow):
    checked, examination = slow
    known = replace(examination, start_s={"loading": 1.5, "compiling": 2.0}, first_s=4.0)
    lines = list(Diagnosis(checked, machine(), {}, "", known, ()).lines())
    assert "start      loading 1.5 s, first chunk with compiling 2.0 s: 3.5 s" in lines


def test_size_of_a_missing_cache_is_zero(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(100))
    assert folder(tmp_path).bytes == 100
    missing = folder(tmp_path / "none" / "deeper")
    assert missing.bytes == 0
    assert missing.free_bytes > 0
