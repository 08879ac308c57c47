"""The doctor: what it predicts is what was measured, and its advice follows from it."""

import json
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
    """A graph whose one stage takes twice as long as the music, and what was measured of it."""
    made = graph(dragging(SLOW_S))
    return made, examine(made, 2, Silent())


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


def test_every_stage_is_measured_and_the_whole_is_judged(slow):
    _, found = slow
    assert set(found.measured.times) == {"index", "slow", "hum"}
    assert SLOW_S <= found.measured.times["slow"].steady_s[1] < found.verdict.worst_s
    assert found.measured.times["hum"].steady_s[1] < SLOW_S
    assert found.verdict.word == "too slow"
    assert found.verdict.usual_s >= SLOW_S
    assert found.start_s.keys() == {"loading", "compiling"}
    assert found.peak_bytes > 10_000_000


def test_a_chunk_that_warming_up_has_made_already_deceives_nobody():
    made = graph(hitching(0, SLOW_S))
    assert examine(made, 2, Silent()).verdict.word == "plays"
    assert examine(graph(dragging(SLOW_S)), 1, Silent()).verdict.word == "too slow"


def test_what_rests_while_no_prompt_changes_is_measured_after_a_steer_as_well():
    found = examine(soundstage.load("toy"), 3, Silent())
    embed = found.measured.times["embed"]
    assert embed.steered_s[1] > embed.steady_s[1]


@pytest.mark.parametrize(
    ("walls_s", "word", "said"),
    [
        ([0.4, 0.5, 9.0], "plays", "4.0 x real time"),
        ([1.7, 1.8, 1.9], "barely", "only just"),
        ([2.1, 2.5, 2.0], "too slow", "does not play"),
    ],
)
def test_a_verdict_is_about_what_is_usual(walls_s, word, said):
    verdict = Verdict.of(2.0, walls_s)
    assert verdict.word == word
    assert said in str(verdict)
    assert verdict.worst_s == max(walls_s)
    assert verdict.margin == pytest.approx(1 / verdict.rtf)


def test_the_command_ends_with_the_verdict_and_tells_programs_all_of_it(tmp_path):
    done = run("doctor", "toy", "--chunks", 1, "--json")
    assert done.code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["verdict"] == "plays"
    assert said["measured"]["stages"].keys() >= {"sample", "decode"}
    assert said["measured"]["margin"] > 1
    assert said["machine"]["devices"]
    assert {"soundstage", "jax", "numpy"} <= said["machine"]["versions"].keys()


def test_a_pipeline_that_is_too_slow_is_exit_code_1_and_its_stage_is_named(tmp_path):
    file = tmp_path / "slow.toml"
    file.write_text(toml(dragging(SLOW_S)))
    done = run("doctor", file, "--allow", "small_stages", "--chunks", 1)
    assert done.code == 1
    assert "verdict    does not play in real time: 0.4 s of music take " in done.stdout
    assert "advice     the stage slow takes " in done.stdout
    assert "soundstage generate" in done.stdout


def test_a_pipeline_without_its_weights_is_told_what_to_fetch(home):
    done = run("doctor", "large")
    assert done.code == 5
    assert "weights    depthformer-large: not here" in done.stdout
    assert "soundstage models download large" in done.stdout.splitlines()[-1]
    said = json.loads(run("doctor", "large", "--json").stdout)
    assert (said["verdict"], said["measured"]) == ("weights missing", None)


def test_a_pipeline_that_is_none_is_refused_as_everywhere():
    done = run("doctor", "none")
    assert done.code == 4
    assert "none" in told(done.stderr)


# ---- advice


def advice(slow, **about):
    made, found = slow
    return list(advise(made, machine(**about), found))


def test_without_a_gpu_the_heaviest_stage_is_named(slow):
    first, last = advice(slow)
    assert first.startswith("the stage slow takes ")
    assert "a GPU is what it is made for" in first
    assert "2.0 x as long" in last


def test_a_gpu_that_jax_does_not_see_is_told(slow):
    assert "jax[cuda12]" in advice(slow, has_nvidia=True)[0]


def test_a_heavy_stage_on_the_processor_beside_an_accelerator_is_told():
    tables = dragging(SLOW_S) | {"placement": {"default": "cpu"}}
    made = graph(tables)
    found = examine(made, 1, Silent())
    said = list(advise(made, machine(devices=("gpu:0 H100", "cpu:0 cpu")), found))
    assert any("--place slow=auto" in sentence for sentence in said)


def test_a_busy_machine_is_told_first_for_its_figures_are_not_its_own(slow):
    assert "busy with something else" in advice(slow, load=3.0)[0]


def test_stages_that_could_overlap_are_told_with_what_the_planner_predicts():
    made = graph(humming() | {"placement": {"slow": "gpu:0", "hum": "gpu:1"}})
    seconds = {"index": 0.0, "slow": 0.3, "hum": 0.2}
    times = {name: StageTimes({1: each}, {1: each}) for name, each in seconds.items()}
    measured = Measured(made.spec, times, 1, 3)
    found = Examination(Verdict(CHUNK_S, 0.5, 0.6), measured, {}, 0.5, 1)
    said = list(advise(made, machine(devices=("gpu:0 A", "gpu:1 A", "cpu:0 cpu")), found))
    assert any("--window 2`: a chunk every 0.30 s is predicted" in sentence for sentence in said)


def test_a_smaller_network_is_named_if_there_is_one():
    made = soundstage.load("tiny", settings=["sample.params.size=large"])
    times = {name: StageTimes({1: 1.0}, {1: 1.0}) for name in made.nodes}
    found = Examination(Verdict(2.0, 7.0, 7.0), Measured(made.spec, times, 1, 3), {}, 7.0, 1)
    assert any(
        "`soundstage doctor base`" in sentence for sentence in advise(made, machine(), found)
    )


def test_what_plays_needs_no_advice_but_somewhere_to_be_heard(slow):
    made, found = slow
    plays = replace(found, verdict=Verdict(2.0, 0.1, 0.2))
    assert list(advise(made, machine(), plays)) == []
    (said,) = advise(made, machine(sound=(), no_sound="none"), plays)
    assert "--output" in said
    barely = replace(found, verdict=Verdict(2.0, 1.9, 2.0))
    assert any("--latency 3" in sentence for sentence in advise(made, machine(), barely))


def test_the_report_names_every_stage_and_every_device(slow):
    made, found = slow
    lines = list(Diagnosis(made, machine(), {}, "", found, ("rest",)).lines())
    assert any(line.startswith("slow ") and "cpu:0" in line for line in lines)
    assert "advice     rest" in lines
    assert "sound      0 speakers" in lines


def test_a_cache_is_measured_and_one_that_is_not_there_is_empty(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(100))
    assert folder(tmp_path).bytes == 100
    missing = folder(tmp_path / "none" / "deeper")
    assert missing.bytes == 0
    assert missing.free_bytes > 0
