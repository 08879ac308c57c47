"""Makes the model in musiccoca/: `python tests/golden/make_musiccoca.py`.

The files have the names and the inputs and outputs of the published ones, smaller sizes, and random
weights. The recorded arrays beside them come from `musiccoca_by_hand`, never from the graphs or the
stages that are compared with them.
"""

import io
import json
from pathlib import Path

import numpy as np
import sentencepiece
from musiccoca_by_hand import (
    CODES,
    FEATURES,
    LETTERS_WIDTH,
    LEVELS,
    MAPPED_LENGTH,
    RANK,
    TEXT_IDS,
    WIDTH,
    WINDOW_SAMPLES,
    WINDOWS,
    MusicCocaByHand,
    make_arrays,
)
from tflite_writer import TYPES, GraphWriter

FOLDER = Path(__file__).parent / "musiccoca"
WORDS = (
    "warm pads with slow piano and soft strings",
    "fast techno with a hard kick drum and acid bass",
    "jazz trio, brushes, upright bass, rain",
)
TEXTS = ["warm pads", "Warm PADS", "", "jazz trio with été ♫", "slow piano " * 100]
SEEDS = (0, 7)
INT32 = TYPES["int32"]


def learn_vocabulary() -> bytes:
    """Learns subwords of `WORDS`; padding, start, end and unknown are 0 to 3, as published."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(WORDS),
        model_writer=model,
        vocab_size=80,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def write_text_encoder(arrays: dict[str, np.ndarray]) -> None:
    graph = GraphWriter()
    # The stage must tell the inputs apart by dtype, so this order is the unusual one.
    paddings, ids = graph.input("float32", 1, TEXT_IDS), graph.input("int32", 1, TEXT_IDS)
    one, position_weights = (
        graph.constant(np.ones((1, 1), np.float32)),
        graph.constant(arrays["position_weights"][None]),
    )
    used = graph.apply("SUB", [one, paddings], 1, TEXT_IDS)
    shares = graph.apply("MUL", [used, position_weights], 1, TEXT_IDS)
    table = graph.constant(arrays["table"])
    letters = graph.apply("GATHER", [table, ids], 1, TEXT_IDS, LETTERS_WIDTH)
    row = graph.reshape(shares, 1, 1, TEXT_IDS)
    total = graph.apply("BATCH_MATMUL", [row, letters], 1, 1, LETTERS_WIDTH)
    wide = graph.linear(graph.reshape(total, 1, LETTERS_WIDTH), arrays["text"])
    graph.write(FOLDER / "text_encoder.tflite", graph.apply("TANH", [wide], 1, WIDTH))


def write_audio(arrays: dict[str, np.ndarray]) -> None:
    graph = GraphWriter()
    samples = graph.input("float32", 1, WINDOWS * WINDOW_SAMPLES)
    windows = graph.reshape(samples, WINDOWS, WINDOW_SAMPLES)
    filtered = graph.linear(windows, arrays["windows"], WINDOWS)
    power = graph.apply("MUL", [filtered, filtered], WINDOWS, FEATURES)
    features = graph.reshape(power, 1, WINDOWS, FEATURES)
    graph.write(FOLDER / "audio_preprocessor.tflite", features)
    graph = GraphWriter()
    features = graph.input("float32", 1, WINDOWS, FEATURES)
    wide = graph.linear(graph.reshape(features, 1, WINDOWS * FEATURES), arrays["audio"])
    graph.write(FOLDER / "music_encoder.tflite", graph.apply("TANH", [wide], 1, WIDTH))


def write_mapper(arrays: dict[str, np.ndarray]) -> None:
    graph = GraphWriter()
    embedding, noise = graph.input("float32", 1, WIDTH), graph.input("float32", 1, WIDTH)
    parts = [
        graph.linear(embedding, arrays["map_embedding"]),
        graph.linear(noise, arrays["map_noise"]),
    ]
    mapped = graph.apply("TANH", [graph.apply("ADD", parts, 1, WIDTH)], 1, WIDTH)
    length = graph.constant(np.full((1, 1), MAPPED_LENGTH, np.float32))
    graph.write(FOLDER / "mapper.tflite", graph.apply("MUL", [mapped, length], 1, WIDTH))


def write_quantizer(arrays: dict[str, np.ndarray]) -> None:
    graph = GraphWriter()
    residual = graph.linear(graph.input("float32", 1, WIDTH), arrays["down"])
    axis = graph.constant(np.array(1, np.int32))
    tokens = []
    for codes in arrays["codes"]:
        # |residual|^2 is the same for every code, so it is left out of the distance.
        norms = graph.constant(np.square(codes).sum(axis=1)[None])
        distance = graph.apply("SUB", [norms, graph.linear(residual, 2 * codes.T)], 1, CODES)
        tokens.append(graph.apply("ARG_MIN", [distance, axis], 1, dtype="int32", outputType=INT32))
        chosen = graph.apply("GATHER", [graph.constant(codes), tokens[-1]], 1, RANK)
        residual = graph.apply("SUB", [residual, chosen], 1, RANK)
    options = {"valuesCount": LEVELS, "axis": 1}
    output = graph.apply("PACK", tokens, 1, LEVELS, dtype="int32", **options)
    graph.write(FOLDER / "pretrained_vector_quantizer.tflite", output)


def record(arrays: dict[str, np.ndarray], vocabulary: bytes) -> None:
    model = MusicCocaByHand(arrays)
    processor = sentencepiece.SentencePieceProcessor(model_proto=vocabulary)
    clips = np.random.default_rng(1).standard_normal((3, WINDOWS * WINDOW_SAMPLES))
    clips = (0.3 * clips).astype(np.float32)
    text_embeddings = np.stack([model.text(processor.EncodeAsIds(text.lower())) for text in TEXTS])
    clip_embeddings = np.stack([model.clip(clip) for clip in clips])
    mapped = {
        f"mapped_seed{seed}": np.stack([model.mapped(text, seed) for text in text_embeddings])
        for seed in SEEDS
    }
    tokens = {
        "text_tokens": np.stack([model.tokens(vector) for vector in text_embeddings]),
        "clip_tokens": np.stack([model.tokens(vector) for vector in clip_embeddings]),
    }
    recorded = {
        "clips": clips,
        "text_embeddings": text_embeddings,
        "clip_embeddings": clip_embeddings,
        **mapped,
    }
    np.savez_compressed(FOLDER / "recorded.npz", **recorded, **tokens)
    (FOLDER / "texts.json").write_text(json.dumps(TEXTS) + "\n", "utf-8")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    vocabulary = learn_vocabulary()
    (FOLDER / "spm.model").write_bytes(vocabulary)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=vocabulary).GetPieceSize()
    arrays = make_arrays(pieces)
    write_text_encoder(arrays)
    write_audio(arrays)
    write_mapper(arrays)
    write_quantizer(arrays)
    record(arrays, vocabulary)


if __name__ == "__main__":
    main()
