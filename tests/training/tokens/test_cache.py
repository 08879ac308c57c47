"""Files of tokens: read back without copies, refused if damaged."""

import numpy as np
import pyarrow as pa
import pytest
from synthetic_tokens import beat, rule, synthetic_facts, synthetic_pieces

from soundstage.graph.format import Format
from soundstage.training.tokens.cache import CacheError, OldCache, TokenCache, write_cache
from soundstage.training.tokens.record import PieceStyles, PieceTokens

FORMAT = Format(codec_levels=3, context_levels=2, codebook_size=64, style_dim=8, style_levels=6)


def same(left: PieceTokens, right: PieceTokens) -> bool:
    plain = ("name", "split", "key", "clip_starts_s", "texts", "tempo_bpm", "beats_per_bar")
    plain = (*plain, "density", "brightness")
    arrays = [
        (left.tokens, right.tokens),
        (left.clips.tokens, right.clips.tokens),
        (left.clips.embeddings, right.clips.embeddings),
        (left.text_styles.tokens, right.text_styles.tokens),
        (left.text_styles.embeddings, right.text_styles.embeddings),
        (left.onsets, right.onsets),
        (left.drums, right.drums),
        (left.chords, right.chords),
    ]
    for a, b in arrays:
        np.testing.assert_array_equal(a, b, strict=True)
    return all(getattr(left, name) == getattr(right, name) for name in plain)


def test_written_pieces_are_read_back(tmp_path):
    pieces = synthetic_pieces(FORMAT, (0, 3), 20, 5)
    silent = PieceTokens(
        "no texts, häuser/大 🎹",
        "train",
        "k",
        np.zeros((1, 3), np.int16),
        PieceStyles(np.ones((2, 6), np.int16), np.ones((2, 8), np.float32)),
        (0.0, 2.5),
        (),
        PieceStyles(np.zeros((0, 6), np.int16), np.zeros((0, 8), np.float32)),
        **beat(1, 1),
    )
    path = tmp_path / "tokens.arrow"
    write_cache(path, synthetic_facts(FORMAT), [*pieces, silent])
    cache = TokenCache(path)
    assert cache.facts == synthetic_facts(FORMAT)
    assert len(cache) == 5
    assert all(same(a, b) for a, b in zip(cache, [*pieces, silent], strict=True))


def test_arrays_are_views_of_the_file(tmp_path):
    path = tmp_path / "tokens.arrow"
    write_cache(path, synthetic_facts(FORMAT), synthetic_pieces(FORMAT, (0,), 20, 5))
    one, two = TokenCache(path).piece(0), TokenCache(path).piece(0)
    assert not one.tokens.flags.writeable
    cache = TokenCache(path)
    assert np.shares_memory(cache.piece(0).tokens, cache.piece(0).tokens)
    np.testing.assert_array_equal(one.tokens, two.tokens)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut"])
def test_missing_or_damaged_file_of_tokens_is_refused(tmp_path, damage):
    path = tmp_path / "tokens.arrow"
    write_cache(path, synthetic_facts(FORMAT), synthetic_pieces(FORMAT, (0,), 20, 5))
    whole = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "text": b"tokens", "cut": whole[:-100]}[damage])
    with pytest.raises(CacheError, match="not a complete file of tokens"):
        TokenCache(path)


def test_file_with_other_columns_is_refused_as_of_another_version(tmp_path):
    path = tmp_path / "tokens.arrow"
    write_cache(path, synthetic_facts(FORMAT), synthetic_pieces(FORMAT, (0,), 20, 5))
    table = pa.ipc.open_file(path.read_bytes()).read_all()
    old = table.drop_columns(["onsets"])
    with pa.ipc.new_file(path, old.schema) as writer:
        writer.write_table(old)
    with pytest.raises(OldCache, match=r"another version.*soundstage\.training\.tokens"):
        TokenCache(path)


def test_differences_from_a_format_are_named():
    facts = synthetic_facts(FORMAT)
    assert facts.differences(FORMAT) == []
    assert facts.differences(Format()) == [
        "codec_levels is 3, but 16 in the music format",
        "codebook_size is 64, but 1024 in the music format",
        "style_levels is 6, but 12 in the music format",
        "style_dim is 8, but 768 in the music format",
    ]


def test_rule_repeats_and_styles_share_no_code():
    one, two = rule(0, 12, 3, 5), rule(1, 12, 3, 5)
    np.testing.assert_array_equal(one[5:], one[:-5])
    assert not set(one.ravel()) & set(two.ravel())
