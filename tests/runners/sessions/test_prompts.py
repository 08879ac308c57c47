"""Prompts as Python takes them: texts, weights, audio files and samples."""

import numpy as np
import pytest
import soundfile

import soundstage
from soundstage import Audio, ControlError, InputError, Text, UsageError
from soundstage.runners.sessions.prompts import expand_prompts
from soundstage.runners.sessions.provenance import describe

RATE = 22_050
FORMAT = soundstage.Format()
CHORD = (0.2 * np.sin(np.arange(RATE) / RATE * 2 * np.pi * np.array([[220], [277]])).T).astype("f")


def test_a_text_with_a_number_behind_a_colon_has_a_weight_as_on_the_command_line():
    controls = expand_prompts(["house:0.5", "jazz: trio", "dub:2", ("a:3", 4), Text("b:1")], FORMAT)
    assert controls["texts"] == ["house", "jazz: trio", "dub", "a:3", "b:1"]
    assert controls["text_weights"] == [0.5, 1.0, 2.0, 4.0, 1.0]


def test_a_session_takes_weights_in_its_texts():
    with soundstage.open(preset="toy", prompts=["house:0.5"]) as session:
        assert session.controls[0]["texts"] == ["house"]
        assert session.controls[0]["text_weights"] == [0.5]
        with pytest.raises(ControlError, match="weight nan must be a finite number"):
            session.steer(prompts=["house:nan"])


def test_samples_are_the_same_prompt_as_a_file_of_them(tmp_path):
    soundfile.write(tmp_path / "chord.wav", CHORD, RATE, subtype="FLOAT")
    file = expand_prompts([Audio(tmp_path / "chord.wav", weight=0.5)], FORMAT)
    samples = expand_prompts([Audio(CHORD, RATE, weight=0.5)], FORMAT)
    assert samples["clips"].shape == (1, 160_000)
    assert samples["clips"].tobytes() == file["clips"].tobytes()
    assert samples["clip_weights"] == file["clip_weights"] == [0.5]
    doubles = expand_prompts([Audio(CHORD.astype("d"), RATE)], FORMAT)
    assert doubles["clips"].tobytes() == file["clips"].tobytes()


def test_samples_of_a_chunk_are_a_prompt_and_stand_in_the_provenance():
    with soundstage.open(preset="toy", prompts=["bells"]) as session:
        chunk = next(session)
        prompt = Audio(chunk.audio[0], session.sample_rate)
        session.steer(prompts=[prompt])
        row = session.controls[0]
        record = describe(session.graph, {}, row, [prompt], 1, "0")
    assert row["clips"].shape == (1, 160_000)
    assert record.prompts[0].audio == "samples"
    assert len(record.prompts[0].sha256) == 64


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((CHORD,), UsageError, r"rate in Hz: write Audio\(samples, 48_000\)"),
        (("a.wav", 0.5), UsageError, r"a file has its own .* write Audio\(path, weight=0.5\)"),
        ((5,), UsageError, "got int"),
        (((CHORD * 32767).astype("h"), RATE), InputError, "got int16: divide .* by 32768"),
        ((CHORD.T, RATE), InputError, r"\[2, 22050\] have 22050 channels.*samples\.T"),
        ((CHORD[None], RATE), InputError, r"\[sample\] or \[sample, channel\], got \[1, 22050, 2"),
        ((CHORD[:0], RATE), InputError, r"got \[0, 2\]"),
        ((CHORD, 44), InputError, "44 Hz, is outside 1000 to 768000 Hz"),
    ],
)
def test_samples_or_files_that_are_no_audio_prompt_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        Audio(*arguments)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (CHORD[:1000], "samples: lasts 45.4 ms, less than the minimum of 100 ms"),
        (0 * CHORD, "samples: is silent"),
        (np.repeat(CHORD[:, :1], 2, 1) * [1, -1], "its channels cancel out"),
        (CHORD * np.nan, "samples: the sample at 0.000 s is nan"),
        (np.zeros(601 * 1000, "f"), r"lasts 10 min 1 s, .*: cut out a part$"),
    ],
)
def test_samples_that_hold_no_clip_are_refused(samples, words):
    rate = 1000 if len(samples) > RATE else RATE
    with pytest.raises(InputError, match=words):
        expand_prompts([Audio(samples, rate)], FORMAT)
