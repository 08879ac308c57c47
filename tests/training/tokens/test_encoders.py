"""Encoding of audio files into tokens, and resumption of an interrupted encoding."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile

from soundstage.errors import InputError
from soundstage.graph.format import Format
from soundstage.runners.api import load
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import TINY
from soundstage.stages.spectrostream.stage import CodecParams
from soundstage.stages.weights.sources import open_source
from soundstage.training.corpus.composition.compose import compose
from soundstage.training.corpus.music_facts import MusicFacts
from soundstage.training.corpus.plan import plan_brief
from soundstage.training.corpus.sound import SoundSources
from soundstage.training.tokens.cache import TokenCache
from soundstage.training.tokens.cache_update import EncodingSummary, update_cache
from soundstage.training.tokens.composed import MusicRequest, composed_pieces
from soundstage.training.tokens.encoders import Encoders, codec_tokens, cut_clips
from soundstage.training.tokens.pieces import NoAudio, SourcePiece, folder_pieces
from soundstage.training.tokens.pipeline_encoders import (
    NotTrainable,
    file_encoders,
    pipeline_encoders,
)
from soundstage.training.tokens.record import TokenFacts

RATE = 48_000
FORMAT = Format(clip_s=1.0)


def sound(seconds, pitch_hz=220.0):
    time = np.arange(int(seconds * RATE)) / RATE
    left = 0.3 * np.sin(2 * np.pi * pitch_hz * time) * (1 + np.sin(2 * np.pi * 3 * time))
    return np.stack([left, 0.5 * left], axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def encoders():
    return file_encoders(FORMAT, CodecParams("random:0", "tiny"), "random:0", "random:0")


@pytest.fixture
def folder(tmp_path):
    music = tmp_path / "music"
    (music / "more").mkdir(parents=True)
    soundfile.write(music / "a.wav", sound(1.5), RATE)
    soundfile.write(music / "more" / "b.flac", sound(1.2, 440), 44_100)
    (music / "a.txt").write_text("a low sine\n\n  quietly trembling \n", "utf-8")
    (music / "notes.md").write_text("not audio", "utf-8")
    return music


def test_windows_give_the_tokens_of_the_whole():
    codec, _, _ = load_codec(TINY, open_source("random:0"), None, ("encoder", "quantizer"))
    audio = np.random.default_rng(0).normal(0, 0.2, (int(3.3 * RATE), 2)).astype(np.float32)
    whole = codec.encode(audio[None], 4)[0][: len(audio) // TINY.frame_samples]
    for window in (40, 200):
        pieces = codec_tokens(codec, audio, 4, window_frames=window, margin_frames=10)
        assert pieces.dtype == np.int16
        # Rounding depends on the shape; of two almost equally near codes either may be chosen.
        assert np.mean(pieces == whole) > 0.995
        np.testing.assert_array_equal(pieces.shape, whole.shape)


def test_audio_shorter_than_a_frame_is_one_frame():
    codec, _, _ = load_codec(TINY, open_source("random:0"), None, ("encoder", "quantizer"))
    assert codec_tokens(codec, sound(0.01), 4, 40, 10).shape == (1, 4)


@pytest.mark.parametrize(
    ("seconds", "most", "starts"),
    [
        (0.4, 4, (0.0,)),
        (1.0, 4, (0.0,)),
        (1.4, 4, (0.2,)),
        (2.0, 4, (0.0, 0.5, 1.0)),
        (5.0, 4, (0.0, 4 / 3, 8 / 3, 4.0)),
        (5.0, 1, (2.0,)),
    ],
)
def test_clips_are_spread_evenly(seconds, most, starts):
    clips, starts_s = cut_clips(sound(seconds), FORMAT, most)
    assert clips.shape == (len(starts), FORMAT.dims["clip_sample"])
    assert starts_s == pytest.approx(starts, abs=1e-3)
    assert clips.dtype == np.float32
    assert np.abs(clips[:, :1000]).max(axis=1).min() > 0.01


def test_encoded_piece_has_tokens_and_styles_of_clips_and_texts(encoders, folder):
    piece = next(p for p in folder_pieces(folder, 0.5) if p.name == "a.wav")
    encoded = encoders.encode(piece, clips=2)
    assert encoded.tokens.shape == (37, 16)
    assert encoded.texts == ("a low sine", "quietly trembling")
    assert encoded.clips.tokens.shape == (2, 12)
    assert encoded.text_styles.embeddings.shape == (2, 768)
    embedding = encoders.embed(
        texts=[["quietly trembling"]],
        text_weights=[np.ones(1, np.float32)],
        clips=[np.zeros((0, FORMAT.dims["clip_sample"]), np.float32)],
        clip_weights=[np.zeros(0, np.float32)],
    )["embedding"]
    np.testing.assert_array_equal(encoded.text_styles.embeddings[1:], embedding)
    tokens = encoders.quantize(embedding=embedding)["tokens"]
    np.testing.assert_array_equal(encoded.text_styles.tokens[1:], tokens)


def test_encoded_piece_has_the_facts_of_its_score_in_frames(encoders, folder):
    brief = replace(plan_brief(1, "house"), arrangement="band", breaks=0.0)
    score = compose(brief, 1.5)
    music = MusicFacts.of(score, 0.25, 0.75)
    piece = next(p for p in folder_pieces(folder, 0.5) if p.name == "a.wav")
    known = encoders.encode(replace(piece, music=music), clips=1)
    assert (known.tempo_bpm, known.beats_per_bar) == (score.tempo_bpm, 4)
    assert (known.density, known.brightness) == (0.25, 0.75)
    np.testing.assert_array_equal(known.onsets, music.onsets(37, 25))
    np.testing.assert_array_equal(known.chords, music.chords(37, 25))
    assert known.onsets[0] > 200
    assert known.drums.tolist() == [1] * 37
    assert known.key != encoders.key(piece, 1)


def test_audio_without_a_score_has_unknown_facts(encoders, folder):
    encoded = encoders.encode(folder_pieces(folder, 0.5)[0], clips=1)
    assert (encoded.tempo_bpm, encoded.beats_per_bar) == (0.0, 0)
    assert (encoded.density, encoded.brightness) == (-1, -1)
    assert encoded.onsets.tolist() == [0] * 37
    assert encoded.drums.tolist() == encoded.chords.tolist() == [-1] * 37


def test_file_of_tokens_of_another_version_is_made_again(encoders, folder, tmp_path):
    pieces, output = folder_pieces(folder, 0.5), tmp_path / "tokens.arrow"
    update_cache(pieces, encoders, output, 1)
    old = pa.ipc.open_file(output.read_bytes()).read_all().drop_columns(["onsets"])
    with pa.ipc.new_file(output, old.schema) as writer:
        writer.write_table(old)
    assert update_cache(pieces, encoders, output, 1) == EncodingSummary(2, 0)
    assert len(TokenCache(output)) == 2


def test_folder_is_searched_and_its_split_depends_on_names_alone(folder):
    pieces = folder_pieces(folder, 0.5)
    assert [piece.name for piece in pieces] == ["a.wav", "more/b.flac"]
    assert [piece.texts for piece in pieces] == [("a low sine", "quietly trembling"), ()]
    assert sorted(piece.split for piece in pieces) == ["heldout", "train"]
    assert pieces == folder_pieces(folder, 0.1)
    shutil.rmtree(folder / "more")
    assert [piece.split for piece in folder_pieces(folder, 0.5)] == ["train"]


def test_folder_without_audio_is_refused(tmp_path):
    with pytest.raises(NoAudio, match="holds no audio file"):
        folder_pieces(tmp_path, 0.1)


class Stopped(Exception):
    pass


def test_interrupted_update_encodes_no_piece_twice(encoders, folder, tmp_path):
    pieces, output = folder_pieces(folder, 0.5), tmp_path / "tokens.arrow"

    def stop(done):
        raise Stopped

    with pytest.raises(Stopped):
        update_cache(pieces, encoders, output, 1, stop)
    assert not output.exists()
    assert update_cache(pieces, encoders, output, 1) == EncodingSummary(1, 1)
    written = output.read_bytes()
    assert update_cache(pieces, encoders, output, 1) == EncodingSummary(0, 2)
    assert output.read_bytes() == written
    soundfile.write(folder / "more" / "c.wav", sound(1.0, 330), RATE)
    described = [replace(piece, texts=("new",)) for piece in pieces[:1]] + pieces[1:]
    more = [*described, SourcePiece("c", folder / "more" / "c.wav", "train", ())]
    assert update_cache(more, encoders, output, 1) == EncodingSummary(2, 1)
    assert [piece.name for piece in TokenCache(output)] == ["a.wav", "more/b.flac", "c"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["music", "tokens.arrow"]


def test_other_encoders_encode_all_pieces_again(encoders, folder, tmp_path):
    pieces, output = folder_pieces(folder, 0.5), tmp_path / "tokens.arrow"
    update_cache(pieces, encoders, output, 1)
    other = Encoders(FORMAT, encoders.codec, "other", encoders.embed, encoders.quantize)
    assert update_cache(pieces, other, output, 1) == EncodingSummary(2, 0)


def test_damaged_audio_file_is_named(encoders, tmp_path):
    path = tmp_path / "bad.wav"
    path.write_bytes(b"RIFF and nothing more")
    with pytest.raises(InputError, match=r"bad\.wav"):
        encoders.encode(SourcePiece("bad", path, "train", ()), 1)


def test_pipeline_encoders_are_its_own_stages(folder):
    graph = load("tiny")
    encoders = pipeline_encoders(graph)
    assert encoders.format == Format()
    stage = graph.nodes["embed"].cls
    assert type(encoders.embed) is stage
    piece = folder_pieces(folder, 0.5)[0]
    assert encoders.encode(piece, 1).tokens.shape == (37, 16)


def test_pipeline_without_networks_is_refused():
    with pytest.raises(NotTrainable, match=r"0 stages that sample with a Depthformer"):
        pipeline_encoders(load("toy"))


def test_facts_in_keys_keep_their_words():
    """Pieces that earlier versions encoded are found under the keys that those versions made."""
    assert str(TokenFacts(16, 1024, 6, 768, 25, "ab")) == (
        "Facts(codec_levels=16, codebook_size=1024, style_levels=6, style_dim=768, "
        "frame_rate_hz=25, encoders='ab')"
    )


class Silence:
    """Stands for the renderers of composed pieces."""

    def render(self, brief, score, piece_s):
        return np.zeros((round(piece_s * RATE), 2), np.float32)


def composed(minutes, split="train"):
    request = MusicRequest(minutes, 3, split, 1.5, SoundSources((Path("none.sf2"),), None))
    return [replace(piece, renderers=Silence()) for piece in composed_pieces(request)]


def test_composed_music_is_appended_piece_by_piece(encoders, tmp_path):
    output = tmp_path / "tokens.arrow"
    first = composed(0.04)
    assert update_cache(first, encoders, output, 1, append=True) == EncodingSummary(2, 0)
    longer = composed(0.06)
    assert [piece.name for piece in longer[:2]] == [piece.name for piece in first]
    assert update_cache(longer, encoders, output, 1, jobs=2, append=True) == EncodingSummary(1, 2)
    heldout = composed(0.02, "heldout")
    assert update_cache(heldout, encoders, output, 1, append=True) == EncodingSummary(1, 0)
    assert update_cache(longer, encoders, output, 1, append=True) == EncodingSummary(0, 3)
    cached = list(TokenCache(output))
    assert sorted(p.name for p in cached) == sorted(p.name for p in (*longer, *heldout))
    assert [p.split for p in cached].count("heldout") == 1
    by_name = {piece.name: piece for piece in cached}
    for piece in longer:
        assert by_name[piece.name].tempo_bpm == piece.brief.tempo_bpm
        assert by_name[piece.name].tokens.shape == (37, 16)
        np.testing.assert_array_equal(by_name[piece.name].onsets, piece.music.onsets(37, 25))


def test_recomposed_piece_replaces_the_one_of_its_name(encoders, tmp_path):
    output, (piece,) = tmp_path / "tokens.arrow", composed(0.02)
    update_cache([piece], encoders, output, 1, append=True)
    changed = replace(piece, recipe="another")
    assert update_cache([changed], encoders, output, 1, append=True) == EncodingSummary(1, 0)
    assert [p.key for p in TokenCache(output)] == [encoders.key(changed, 1)]


def test_composed_music_needs_a_codec_of_its_rate():
    (piece,) = composed(0.02)
    with pytest.raises(InputError, match="2 channels at 48000 Hz"):
        piece.audio(44_100, 2)


def test_tokens_need_a_corpus_or_minutes():
    command = [sys.executable, "-m", "soundstage.training.tokens"]
    files = ["--codec", "random:0", "--style", "random:0", "--codebooks", "random:0"]
    failed = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert failed.returncode != 0
    assert "give either --corpus DIR or --minutes N" in failed.stderr
