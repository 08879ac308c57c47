"""Gapless presets: the tokens of the plain presets, decoded as one sequence."""

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
    """Runs and records some chunks; returns them."""
    weights = session.runner.weights()
    with open_trace(path, session.graph, weights, session.state, soundstage.__version__) as trace:
        new_chunks = [next(session) for _ in range(chunks)]
        for chunk in new_chunks:
            trace.write(chunk)
    return new_chunks


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Both recordings of the same tokens, and a session that was saved halfway."""
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


def test_audio_equals_one_decoding_of_all_tokens(recorded):
    _, faded, gapless = recorded
    np.testing.assert_array_equal(joined(faded, "tokens"), joined(gapless, "tokens"))
    codec = load_codec(TINY, open_source("random:0"), jax.devices("cpu")[0])[0]
    whole = codec.decode(joined(gapless, "tokens"))
    error = np.abs(joined(gapless)[:, LATE:] - whole).max()
    assert error <= 1e-6 * np.abs(whole).max()


def test_resumed_session_gives_the_same_bytes(recorded):
    folder, _, gapless = recorded
    with soundstage.resume(folder / "half.session") as session:
        rest = [next(session) for _ in range(CHUNKS // 2)]
    assert joined(rest).tobytes() == joined(gapless[CHUNKS // 2 :]).tobytes()


def test_gapless_audio_differs_only_at_the_start_of_chunks(recorded):
    """With a cross-fade, the codec has no memory of earlier chunks: the first frames differ."""
    _, faded, gapless = recorded
    apart = np.abs(joined(faded) - joined(gapless))[0].max(axis=1).reshape(-1, LATE).max(axis=1)
    frames = Format().frame_rate_hz * 4 // 10
    by_chunk = apart.reshape(CHUNKS, frames)[1:]
    assert by_chunk[:, -3:].max() < 0.05 * by_chunk[:, :3].max()
    assert by_chunk[:, 0].min() > 0


def test_diff_compares_two_pipelines_by_an_output(recorded):
    folder, _, _ = recorded
    comparison = soundstage.diff(folder / "faded.arrow", folder / "gapless.arrow", output="audio")
    (port,) = comparison.ports
    assert (port.stage, port.port) == ("outputs", "audio")
    assert 0 < port.snr_db < 40
    same = soundstage.diff(folder / "faded.arrow", folder / "gapless.arrow", output="tokens")
    assert all(port.differing == 0 for port in same.ports)


def test_diff_refuses_an_unknown_output_and_output_with_stage(recorded):
    folder, _, _ = recorded
    pair = (folder / "faded.arrow", folder / "gapless.arrow")
    done = run("diff", *pair, "--output", "audi")
    assert done.code == 4
    assert "did you mean 'audio'" in done.stderr
    done = run("diff", *pair, "--output", "audio", "--stage", "decode")
    assert done.code == 2


def test_replay_of_the_streaming_stage_alone_is_equal(recorded):
    folder, _, _ = recorded
    comparison = soundstage.replay(folder / "gapless.arrow", stage="decode")
    assert comparison.equal
    assert {port.port for port in comparison.ports} == {"audio", "memory"}


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_gapless_preset_differs_only_as_its_header_says(name):
    plain, gapless = (read_tables(preset_path(which)) for which in (name, f"{name}-gapless"))
    header = Path(preset_path(f"{name}-gapless")).read_text("utf-8").split("\n\n")[0]
    difference = f"differs from {name} in its name, the key codec_memory, and its end"
    assert difference in " ".join(header.split("\n# "))
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
