"""Training and export of style towers on two genres of synthetic sound."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from soundstage.graph.format import Format
from soundstage.stages.style.features import ClipFeatures
from soundstage.stages.style.stage import Quantize
from soundstage.stages.style_towers.config import TowersConfig
from soundstage.stages.style_towers.stage import Embed
from soundstage.stages.style_towers.text import SentencePieces
from soundstage.training.corpus.manifest import Piece, PieceEntry, write_manifest
from soundstage.training.loop import Budget
from soundstage.training.progress import SilentProgress
from soundstage.training.style.command import style_app
from soundstage.training.style.embedder import Embedder
from soundstage.training.style.export import export_codebooks, export_towers, make_basis
from soundstage.training.style.fitting import fit, quantize, read_run
from soundstage.training.style.run_folder import Prepared, prepare
from soundstage.training.style.style_batches import Batcher

FORMAT = Format(clip_s=1.0, codebook_size=16, style_dim=40)
CONFIG = TowersConfig(
    pieces=80, buckets=256, text_width=16, audio_width=16, blocks=2, heads=2, hidden=32, rank=8
)
TEXTS = {
    "techno": (("techno", "driving techno", "fast techno with synth bass"), ("a techno track",)),
    "ambient": (("ambient", "ambient pads", "calm ambient with warm pads"), ("ambient drift",)),
}
RATE_HZ, SECONDS = 16_000, 4


def sound(genre: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    time_s = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    if genre == "ambient":
        return 0.2 * np.sin(2 * np.pi * random.uniform(200, 300) * time_s)
    beats = np.exp(-20 * (time_s % random.uniform(0.4, 0.5)))
    return 0.2 * beats * random.standard_normal(len(time_s))


def write_corpus(folder: Path) -> Path:
    folder.mkdir()
    for split, seeds in (("train", range(8)), ("heldout", range(8, 12))):
        entries = []
        for seed in seeds:
            genre = ("techno", "ambient")[seed % 2]
            path = folder / f"{seed}.flac"
            soundfile.write(path, np.stack(2 * [sound(genre, seed)], axis=1), RATE_HZ)
            fast = genre == "techno"
            train, heldout = TEXTS[genre]
            piece = Piece(
                path=path,
                seed=seed,
                split=split,
                genre=genre,
                tempo_bpm=130 if fast else 65,
                beats_per_bar=4,
                tonic="A",
                mode="minor",
                density=0.8 if fast else 0.2,
                brightness=0.5,
                instruments=("synth bass", "drums") if fast else ("warm pad",),
                texts=train,
                heldout_texts=heldout,
                duration_s=float(SECONDS),
            )
            entries.append(PieceEntry(piece, "test"))
        write_manifest(folder, split, entries)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("style") / "corpus")


@pytest.fixture(scope="module")
def run(corpus) -> Path:
    """A run of a few seconds."""
    folder = corpus.parent / "run"
    folder.mkdir()
    prepared = prepare([corpus], folder, FORMAT, CONFIG)
    towers, _ = fit(prepared, folder, Budget(steps=250), 250, 0, SilentProgress(), rows=16)
    quantize(prepared, towers, folder, FORMAT, 0, vectors=900)
    return folder


@pytest.fixture(scope="module")
def exported(run) -> Path:
    model, towers, vocabulary, books, _ = read_run(run)
    basis = make_basis(CONFIG.rank, FORMAT.style_dim)
    export_towers(model.module(towers), vocabulary, basis, run / "style.safetensors", {"a": "b"})
    export_codebooks(books, basis, run / "codes.safetensors", {})
    return run


def embed_stage(exported: Path) -> Embed:
    params = Embed.Params(str(exported / "style.safetensors"))
    return Embed(params, FORMAT, jax.devices("cpu")[0])


def stage_vectors(stage: Embed, texts=(), clips=()) -> np.ndarray:
    """Each prompt on its own."""
    none = np.zeros((0, FORMAT.dims["clip_sample"]), np.float32)
    one, no = np.ones(1, np.float32), np.zeros(0, np.float32)
    rows = [([text], one, none, no) for text in texts]
    rows += [([], no, clip[None].astype(np.float32), one) for clip in clips]
    return stage(*map(list, zip(*rows, strict=True)))["embedding"]


def test_training_separates_genres_of_unseen_pieces_and_texts(run):
    report = json.loads((run / "report.json").read_text())["heldout"]
    assert report["pieces"] == 4
    assert report["genre_of_clips_nearest_a_text"] == 1.0
    assert report["genre_of_clips_by_name"] == 1.0
    assert report["genre_of_texts_by_name"] == 1.0
    assert report["cosine_same_genre"] > 0.8
    assert report["cosine_other_genre"] < 0.5
    first = {pairs: levels[0] for pairs, levels in report["equal_tokens_text_and_clip"].items()}
    assert first["two_genres"] == 0.0


def test_exported_towers_embed_like_the_trained_ones(exported, corpus):
    prepared = prepare([corpus], exported, FORMAT, CONFIG)
    _, towers, *_ = read_run(exported)
    embedder = Embedder(prepared, towers)
    texts = ["techno", "AMBIENT pads", "", "zzqx", "tehcno"]
    basis = make_basis(CONFIG.rank, FORMAT.style_dim)
    expected = embedder.texts(prepared.heldout, [(0, text) for text in texts]).vectors @ basis
    stage = embed_stage(exported)
    vectors = np.stack([stage.embed_description(text) for text in texts])
    np.testing.assert_allclose(vectors, expected, atol=5e-3)
    clips = [sound(genre, 20)[:RATE_HZ] for genre in ("techno", "ambient")]
    features = ClipFeatures(RATE_HZ)
    log_mels = np.stack([features.log_mel(clip.astype(np.float32)) for clip in clips])
    expected = prepared.model.embed_clips(towers, log_mels) @ basis
    np.testing.assert_allclose(stage_vectors(stage, clips=clips), expected, atol=5e-3)


def test_misspelt_words_stay_near_the_right_ones(exported):
    stage = embed_stage(exported)
    techno, ambient = stage_vectors(stage, ["techno", "ambient"])
    for text in ("tehcno", "TECHNO!", "technoo vrblx", "techno 🎧", "technos"):
        one = stage_vectors(stage, [text])[0]
        assert one @ techno > one @ ambient + 0.3


def test_exported_codebooks_are_those_of_the_run(exported):
    params = Quantize.Params(str(exported / "codes.safetensors"))
    stage = Quantize(params, FORMAT, jax.devices("cpu")[0])
    vectors = stage_vectors(embed_stage(exported), ["techno", "ambient", "warm pads"])
    tokens = stage(vectors)["tokens"]
    assert tokens.shape == (3, FORMAT.style_levels)
    assert tokens[0, 0] != tokens[1, 0]
    books = np.load(exported / "codebooks.npy").astype(np.float32)
    basis = make_basis(CONFIG.rank, FORMAT.style_dim)
    np.testing.assert_allclose(stage.nearest_codes.codebooks, books @ basis, atol=1e-2)


def test_batch_depends_on_seed_and_step_alone(corpus, tmp_path):
    prepared = prepare([corpus], tmp_path, FORMAT, CONFIG)
    part, vocabulary = prepared.train, SentencePieces(prepared.vocabulary)

    def batcher(seed: int) -> Batcher:
        return Batcher(part.pieces, part.log_mels, prepared.windows, vocabulary, 256, 12, seed, 100)

    first, again = batcher(3), batcher(3)
    first(0)
    for one, other in zip(first(7), again(7), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.all(np.diagonal(first(7).distances) == 0)
    assert not np.array_equal(first(7).log_mels, first(8).log_mels)
    assert not np.array_equal(first(7).log_mels, batcher(4)(7).log_mels)


def test_spectrograms_are_computed_once(corpus, tmp_path):
    first: Prepared = prepare([corpus], tmp_path, FORMAT, CONFIG)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "log_mel").iterdir()}
    again = prepare([corpus], tmp_path, FORMAT, CONFIG)
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "log_mel").iterdir()}
    assert len(stamps) == 12
    for one, other in zip(first.train.log_mels, again.train.log_mels, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--corpus", "nowhere"], "holds no corpus"),
        ([], "give a corpus"),
        (["export", "--run", "nowhere", "--output", "."], "nowhere"),
    ],
)
def test_command_names_what_is_missing(arguments, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(style_app(), arguments)
    assert result.exit_code != 0
    assert reason in result.stderr


def test_help_shows_examples():
    result = CliRunner().invoke(style_app(), ["--help"])
    assert result.exit_code == 0
    assert "python -m soundstage.training.style --corpus" in result.stdout
