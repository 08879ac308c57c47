"""Windows of pieces, and a network that learns a beat from them."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from flax.nnx import merge
from synthetic_tokens import SMALL_FORMAT, synthetic_pieces

from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.vocabulary import MASK, Vocabulary
from soundstage.training.depthformer.examples import TooShort
from soundstage.training.depthformer.initial_weights import load_initial
from soundstage.training.depthformer.window_objective import make_window_loss, window_surprise
from soundstage.training.depthformer.windows import WindowExamples, WindowParams
from soundstage.training.optimizer import OptimizerParams, make_step, start

FORMAT = replace(SMALL_FORMAT, context_s=1.04)  # 26 and 4 frames
FRAMES = FORMAT.dims["window_frame"]
QUIET = WindowParams(
    rows=4,
    style_dropout=0,
    free_beats=0,
    late_beats=0,
    free_sound=0,
    noisy_share=0,
    spliced_share=0,
)


def windows(params: WindowParams, step: int = 0, period: int = 5):
    pieces = synthetic_pieces(FORMAT, (0, 1), 100, period)
    return WindowExamples(pieces, FORMAT, params, 1).batch(step)


def test_window_holds_a_cut_of_a_piece_with_its_beats_and_onsets():
    batch = windows(QUIET)
    assert batch.codes.shape == (4, FRAMES, 3)
    np.testing.assert_array_equal(batch.seen, batch.codes)
    # The codes repeat every 5 frames, which is a beat: 300 beats a minute, 0.2 a frame.
    np.testing.assert_allclose(np.diff(batch.conditions.beats) % 12, 0.2, atol=1e-4)
    onsets = batch.onsets > 0
    on_beat = np.isclose(batch.conditions.beats % 1, 0, atol=1e-3) | np.isclose(
        batch.conditions.beats % 1, 1, atol=1e-3
    )
    np.testing.assert_array_equal(onsets, on_beat)
    assert (batch.style >= Vocabulary.of(FORMAT).style_offset).all()
    assert (batch.conditions.sound[:, -4:] == [0.5, 0.5, 1]).all()


def test_batches_are_functions_of_seed_and_step():
    first, again, later = windows(WindowParams()), windows(WindowParams()), windows(QUIET, 1)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(windows(QUIET).codes, later.codes)


def test_shares_of_one_free_mask_and_disturb_everything():
    free = windows(replace(QUIET, free_beats=1, free_sound=1))
    assert (free.conditions.beats == -1).all()
    assert (free.conditions.sound == -1).all()
    late = windows(replace(QUIET, late_beats=1)).conditions.beats
    # Once they are known they stay known.
    assert (np.diff((late >= 0).astype(int)) >= 0).all()
    assert (late == -1).any()
    assert (late >= 0).any()
    dropped = windows(replace(QUIET, style_dropout=1))
    assert (dropped.style == MASK).all()
    assert (dropped.conditions.sound == -1).all()
    noisy = windows(replace(QUIET, noisy_share=1, noise=1.0))
    np.testing.assert_array_equal(noisy.codes, windows(QUIET).codes)
    assert (noisy.seen != noisy.codes).any()


def test_spliced_windows_end_with_the_piece_of_their_conditions():
    plain, spliced = windows(QUIET), windows(replace(QUIET, spliced_share=1))
    differ = (plain.codes != spliced.codes).any(axis=2)
    assert differ.any()
    np.testing.assert_array_equal(plain.codes[:, -1], spliced.codes[:, -1])


def test_pieces_shorter_than_a_window_are_refused():
    pieces = synthetic_pieces(FORMAT, (0,), FRAMES - 1, 5)
    with pytest.raises(TooShort, match=r"lasts the 1\.2 s that an example needs"):
        WindowExamples(pieces, FORMAT, QUIET, 0)


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_training_learns_a_beat_from_its_count_and_from_the_past(known):
    """With free beats, the network finds the period in the past; frames 0 to 9 cannot show it."""
    params = replace(QUIET, rows=8, free_beats=0.0 if known else 1.0)
    config = replace(TINY, past_levels=2, temporal_buckets=64, depth_buckets=4).fitted(FORMAT)
    initial = load_initial(config, "random:0")
    optimizer = OptimizerParams(rate=3e-3, warmup_steps=20, schedule_steps=600)
    pieces = [
        piece for period in (3, 5, 8) for piece in synthetic_pieces(FORMAT, (0,), 200, period)
    ]
    # All pieces use the same codes: only the beat, or the past, tells when they repeat.
    for piece in pieces:
        piece.tokens[:] = (piece.onsets[:, None] > 0) * 7
    examples = WindowExamples(pieces, FORMAT, params, 0)
    loss = make_window_loss(initial.graph, 3, 0.5, 1.0)
    step, state = make_step(loss, optimizer), start(initial.state, optimizer)
    for number in range(300):
        state, _ = step(state, examples.batch(number))
    surprise = jax.jit(lambda weights, batch: window_surprise(merge(initial.graph, weights), batch))
    nats = surprise(state.params, examples.batch(1000))[0]
    assert float(nats[:, 20:].mean()) < 0.05
