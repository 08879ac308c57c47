"""MusicCoCa's stages against recordings of the reference implementation on stand-in files."""

import json

import numpy as np
import pytest
from musiccoca_models import (
    ABSENT,
    REFERENCE,
    build,
    embed_clips,
    embed_rows,
    embed_texts,
    recorded,
    tokens_of,
)

from soundstage.graph.format import Format
from soundstage.stages.musiccoca import Embed, Quantize
from soundstage.stages.musiccoca.files import AUDIO_PREPROCESSOR, VOCABULARY
from soundstage.stages.musiccoca.litert import TfliteGraph
from soundstage.stages.musiccoca.text import load_vocabulary, normal_text, text_ids

pytest.importorskip("ai_edge_litert")
if not REFERENCE.is_dir():
    pytest.skip(ABSENT, allow_module_level=True)

FORMAT = Format()
CLIP_SAMPLES = FORMAT.dims["clip_sample"]
TOLERANCE = 1e-5
EXPECTED = recorded(REFERENCE)
TEXTS = json.loads((REFERENCE / "cases.json").read_text("utf-8"))["texts"]


@pytest.fixture(scope="module")
def embed():
    return build(Embed, REFERENCE, FORMAT)


@pytest.fixture(scope="module")
def quantize():
    return build(Quantize, REFERENCE, FORMAT)


def cut(hop: int, pad_end: bool = True) -> np.ndarray:
    """Cuts the recorded 12.5 s into clips as the reference does."""
    mono = (EXPECTED["audio16k_int16"] / np.float32(32768)).mean(axis=1, dtype=np.float32)
    clips = []
    for start in range(0, len(mono), hop):
        clip = mono[start : start + CLIP_SAMPLES]
        if pad_end or len(clip) == CLIP_SAMPLES:
            clips.append(np.pad(clip, (0, CLIP_SAMPLES - len(clip))))
    return np.stack(clips)


def assert_near(result: np.ndarray, name: str) -> None:
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, EXPECTED[name], rtol=0, atol=TOLERANCE)


def test_texts_become_the_recorded_ids_and_paddings():
    vocabulary = load_vocabulary(VOCABULARY, (REFERENCE / VOCABULARY).read_bytes())
    encoded = [text_ids(normal_text(text), vocabulary) for text in TEXTS]
    np.testing.assert_array_equal([text.ids for text in encoded], EXPECTED["text_ids"])
    np.testing.assert_array_equal([text.paddings for text in encoded], EXPECTED["text_paddings"])


def test_texts_become_the_recorded_embeddings_and_tokens(embed, quantize):
    embeddings = embed_texts(embed, TEXTS)
    assert_near(embeddings, "text_embeddings")
    np.testing.assert_array_equal(tokens_of(quantize, embeddings), EXPECTED["text_tokens"])


@pytest.mark.parametrize("seed", [0, 7])
def test_mapped_texts_become_the_recorded_embeddings(seed):
    mapped = build(Embed, REFERENCE, FORMAT, mapper=True, mapper_seed=seed)
    assert_near(embed_texts(mapped, TEXTS), f"text_embeddings_mapped_seed{seed}")


def test_two_texts_blend_to_the_recorded_tokens(embed, quantize):
    blended = embed_rows(embed, [(TEXTS[:2], [])])
    np.testing.assert_array_equal(tokens_of(quantize, blended)[0], EXPECTED["mean_prompt_tokens"])


def test_recorded_embeddings_become_the_recorded_tokens(quantize):
    for name in ("text", "audio16k"):
        embeddings = np.atleast_2d(EXPECTED[f"{name}_embedding{'s' * (name == 'text')}"])
        tokens = np.atleast_2d(EXPECTED[f"{name}_tokens"])
        np.testing.assert_array_equal(tokens_of(quantize, embeddings), tokens)


@pytest.mark.parametrize(
    ("name", "hop", "pad_end"),
    [
        ("audio16k_clips", CLIP_SAMPLES, True),
        ("audio16k_clips_nopad", CLIP_SAMPLES, False),
        ("audio16k_clips_hop5", CLIP_SAMPLES // 2, True),
    ],
)
def test_clips_become_the_recorded_embeddings(embed, name, hop, pad_end):
    assert_near(embed_clips(embed, cut(hop, pad_end)), name)


def test_mean_over_clips_becomes_the_recorded_tokens(embed, quantize):
    pooled = embed_rows(embed, [([], cut(CLIP_SAMPLES))])
    assert_near(pooled[0], "audio16k_embedding")
    np.testing.assert_array_equal(tokens_of(quantize, pooled)[0], EXPECTED["audio16k_tokens"])


def test_clips_become_the_recorded_features():
    preprocess = TfliteGraph(AUDIO_PREPROCESSOR, (REFERENCE / AUDIO_PREPROCESSOR).read_bytes())
    expected = EXPECTED["audio16k_features_rows_0_1_500_997"]
    for clip, rows in zip(cut(CLIP_SAMPLES), expected, strict=True):
        features = preprocess(clip).reshape(-1, rows.shape[1])[[0, 1, 500, 997]]
        np.testing.assert_allclose(features, rows, rtol=1e-5, atol=TOLERANCE)


def test_resampled_clip_becomes_the_recorded_embedding(embed):
    samples = EXPECTED["audio48k_resampled"]
    clip = np.pad(samples, (0, CLIP_SAMPLES - len(samples)))
    assert_near(embed_clips(embed, [clip])[0], "audio48k_embedding")
