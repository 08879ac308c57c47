"""The conditions of every frame: the position in the bar, and how the music should sound.

They are numbers that the temporal decoder reads beside the frame before. A free condition is left
to the model.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

# A condition with this value is free.
FREE = -1.0
# Beats are counted in cycles of 12, which hold whole bars of 3 and of 4 beats.
CYCLE_BEATS = 12
# Waves per cycle: bars of 4 and of 3 beats, half bars, beats, and 2, 3 and 4 parts of a beat.
WAVES = (3, 4, 6, 12, 24, 36, 48)
# Density, brightness and drums, in this order.
SOUNDS = 3


class Conditions(NamedTuple):
    """The conditions of successive frames.

    Attributes:
        beats: float32 [row, frame]; the number of the beat at the frame's start, in
            [0, `CYCLE_BEATS`), or `FREE`. Bars start at multiples of their length.
        sound: float32 [row, frame, 3]; density, brightness and drums, in [0, 1], or `FREE`.
    """

    beats: jax.Array | np.ndarray
    sound: jax.Array | np.ndarray


def feature_count() -> int:
    """Returns the number of features of a frame."""
    return 1 + 2 * len(WAVES) + 3 * SOUNDS


def features(conditions: Conditions) -> jax.Array:
    """Computes the features of conditions; those of free conditions are 0.

    Returns:
        float32 [row, frame, feature]: for beats, whether they are known and a sine and a cosine of
        each wave; for each sound, whether it is known, its distance from 0.5, and the square.
    """
    beats, sound = jnp.asarray(conditions.beats), jnp.asarray(conditions.sound)
    has_beats = (beats >= 0)[..., None]
    per_beat = 2 * np.pi * np.asarray(WAVES, np.float32) / CYCLE_BEATS
    angle = beats[..., None] * per_beat[None, None]
    waves = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    has_sound = sound >= 0
    value = 2 * sound - 1
    known = jnp.concatenate([jnp.ones_like(value), value, jnp.square(value)], axis=-1)
    parts = (
        has_beats.astype(jnp.float32),
        jnp.where(has_beats, waves, 0.0),
        jnp.where(jnp.tile(has_sound, 3), known, 0.0),
    )
    return jnp.concatenate(parts, axis=-1).astype(jnp.float32)


def free_conditions(rows: int, frames: int) -> Conditions:
    """Returns conditions that are all free."""
    beats = jnp.full((rows, frames), FREE, jnp.float32)
    return Conditions(beats, jnp.full((rows, frames, SOUNDS), FREE, jnp.float32))
