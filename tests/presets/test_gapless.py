"""Pipelines without a cross-fade: the music of those with one, as one long decoding."""

from pathlib import Path

import jax
import numpy as np
import pytest
from command_line import run

import soundstage
from soundstage.graph.format import Format
from soundstage.graph.pipeline_file import read_tables
from soundstage.presets.preset import preset_path
from soundstage.runners.traces.trace import open_trace
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import TINY
from soundstage.stages.weights.sources import open_source

SETTINGS = ("format.chunk_s=0.4", "format.context_s=0.8")
CHUNKS = 6
LATE = Format().frame_samples


def opened(preset, **controls):
    return soundstage.open(preset=preset, settings=SETTINGS, prompts=["bells"], **controls)


def record(session, path, chunks):
    """Plays and writes down what was said; returns the chunks."""
    weights = session.runner.weights()
    with open_trace(path, session.graph, weights, session.state, soundstage.__version__) as trace:
        made = [next(session) for _ in range(chunks)]
        for chunk in made:
            trace.write(chunk)
    return made


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The same tokens, rendered both ways; a session that was saved in the middle."""
    folder = tmp_path_factory.mktemp("gapless")
    with opened("tiny", seed=5) as session:
        faded = record(session, folder / "faded.arrow", CHUNKS)
    with opened("tiny-gapless", seed=5) as session:
        gapless = record(session, folder / "gapless.arrow", CHUNKS // 2)
        session.save(folder / "half.session")
        gapless += [next(session) for _ in range(CHUNKS - CHUNKS // 2)]
    return folder, faded, gapless


def joined(chunks, name="audio"):
    return np.concatenate([chunk.outputs[name] for chunk in chunks], axis=1)


def test_the_pipeline_s_audio_is_one_long_decoding_of_its_tokens(recorded):
    _, faded, gapless = recorded
    np.testing.assert_array_equal(joined(faded, "tokens"), joined(gapless, "tokens"))
    codec = load_codec(TINY, open_source("random:0"), jax.devices("cpu")[0])[0]
    whole = codec.decode(joined(gapless, "tokens"))
    error = np.abs(joined(gapless)[:, LATE:] - whole).max()
    assert error <= 1e-6 * np.abs(whole).max()


def test_it_goes_on_from_a_saved_session_to_the_same_bytes(recorded):
    folder, _, gapless = recorded
    with soundstage.resume(folder / "half.session") as session:
        rest = [next(session) for _ in range(CHUNKS // 2)]
    assert joined(rest).tobytes() == joined(gapless[CHUNKS // 2 :]).tobytes()


def test_both_are_as_late_and_differ_behind_the_borders_only(recorded):
    """The cross-faded codec forgets what was before a chunk; a few frames later, it is as good."""
    _, faded, gapless = recorded
    apart = np.abs(joined(faded) - joined(gapless))[0].max(axis=1).reshape(-1, LATE).max(axis=1)
    frames = Format().frame_rate_hz * 4 // 10
    by_chunk = apart.reshape(CHUNKS, frames)[1:]
    assert by_chunk[:, -3:].max() < 0.05 * by_chunk[:, :3].max()
    assert by_chunk[:, 0].min() > 0


def test_diff_shows_what_the_two_differ_in_by_their_output(recorded):
    folder, _, _ = recorded
    found = soundstage.diff(folder / "faded.arrow", folder / "gapless.arrow", output="audio")
    (port,) = found.ports
    assert (port.stage, port.port) == ("outputs", "audio")
    assert 0 < port.snr_db < 40
    same = soundstage.diff(folder / "faded.arrow", folder / "gapless.arrow", output="tokens")
    assert all(port.differing == 0 for port in same.ports)


def test_an_output_that_is_not_there_and_two_things_at_once_are_refused(recorded):
    folder, _, _ = recorded
    pair = (folder / "faded.arrow", folder / "gapless.arrow")
    done = run("diff", *pair, "--output", "audi")
    assert done.code == 4
    assert "did you mean 'audio'" in done.stderr
    done = run("diff", *pair, "--output", "audio", "--stage", "decode")
    assert done.code == 2


def test_the_streaming_stage_is_replayed_alone_from_its_recorded_memory(recorded):
    folder, _, _ = recorded
    found = soundstage.replay(folder / "gapless.arrow", stage="decode")
    assert found.equal
    assert {port.port for port in found.ports} == {"audio", "memory"}


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_a_gapless_preset_differs_from_its_namesake_where_its_header_says(name):
    plain, gapless = (read_tables(preset_path(which)) for which in (name, f"{name}-gapless"))
    header = Path(preset_path(f"{name}-gapless")).read_text("utf-8").split("\n\n")[0]
    said = f"{name}'s but for the name, the key codec_memory, and its end"
    assert said in " ".join(header.split("\n# "))
    del plain["name"], gapless["name"], gapless["format"]["codec_memory"]
    decode = plain["stage"].pop("decode"), gapless["stage"].pop("decode")
    assert decode[0]["params"] == decode[1]["params"]
    assert decode[1]["inputs"].keys() == {"tokens", "memory"}
    del plain["stage"]["crossfade"]
    assert (plain["outputs"].pop("audio"), gapless["outputs"].pop("audio")) == (
        "crossfade.audio",
        "decode.audio",
    )
    assert plain == gapless
