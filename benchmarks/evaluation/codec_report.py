"""The codec's sections of the report."""

from collections.abc import Sequence

import numpy as np

from evaluation.measures.codec_sound import sound_rows
from evaluation.table import Row, Section
from evaluation.windows import cut
from soundstage.training.codec.fidelity import distances, evaluate
from soundstage.training.corpus.manifest import Piece
from soundstage.training.whole_codec import WholeCodec

LEVELS = (4, 8, 16)


def codec_sections(codec: WholeCodec, pieces: Sequence[Piece], seconds: float) -> list[Section]:
    """Measures fidelity by number of levels, stereo, attacks and held notes, and the codes in use.

    Args:
        codec: with encoder and decoder.
        pieces: held out.
        seconds: the length taken from the middle of each, in seconds.
    """
    levels = [count for count in LEVELS if count <= codec.levels]
    evaluation = evaluate(codec, [piece.path for piece in pieces], seconds, levels)
    rows: list[Row] = [
        _row(f"{at.levels} levels", at.log_spectral_distance_db, at.mel_distance, at.si_sdr_db)
        for at in evaluation.fidelity
    ]
    rows.append(_row("another held-out piece", *_others(pieces, seconds, codec.sample_rate_hz)))
    note = f"""{len(pieces)} held-out pieces, {seconds:g} s of each, compared with themselves after
        encoding and decoding. Equal sounds have distance 0; the last row compares each piece with
        another one."""
    shares = [
        {"level": level, "codes in use": value, "of": codec.codes}
        for level, value in enumerate(evaluation.perplexity)
    ]
    used_note = f"""Perplexity of the codes over {evaluation.frames} held-out frames: the number of
        equally used codes with the same entropy."""
    sound_note = """With all levels. Side over mid: energies. Attack: the largest rise of the sound
        above 2 kHz. Wobble: standard deviation of the loudness of partials that the original holds
        for 0.2 s."""
    return [
        Section("Codec", note, rows),
        Section("Behind the codec", sound_note, _sound(codec, pieces, seconds)),
        Section("Codes in use", used_note, shares),
    ]


def _sound(codec: WholeCodec, pieces: Sequence[Piece], seconds: float) -> list[Row]:
    pairs = []
    for piece in pieces:
        audio = cut(piece, seconds, 1)[0]
        audio = audio[: len(audio) // codec.frame_samples * codec.frame_samples]
        pairs.append((audio, codec.render(codec.encode(audio[None]))[0]))
    return sound_rows(pairs, codec.sample_rate_hz)


def _row(what: str, spectral: float, mel: float, si_sdr: float) -> Row:
    return {
        "what": what,
        "log-spectral distance dB": spectral,
        "mel distance": mel,
        "SI-SDR dB": si_sdr,
    }


def _others(pieces: Sequence[Piece], seconds: float, sample_rate_hz: int) -> list[float]:
    windows = [cut(piece, seconds, 1)[0] for piece in pieces]
    pairs = zip(windows, windows[1:] + windows[:1], strict=True)
    return [
        float(mean)
        for mean in np.mean([distances(one, other, sample_rate_hz) for one, other in pairs], axis=0)
    ]
