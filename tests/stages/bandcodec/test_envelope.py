"""The fast envelope: attacks as sharp as coded, everything else as it was."""

import jax
import numpy as np

from soundstage.stages.bandcodec.envelope import REACH_SLOTS, Envelope
from soundstage.stages.bandcodec.features import FrameFeatures
from soundstage.stages.bandcodec.measures import MEASURES

SLOT, SLOTS = MEASURES.slot_samples, 64
AUDIO = np.random.default_rng(0).standard_normal((2, (SLOTS + 1) * SLOT)).astype(np.float32) / 10
SHAPE, FEATURES = jax.jit(Envelope(MEASURES)), jax.jit(FrameFeatures(MEASURES))


def coded(audio: np.ndarray) -> np.ndarray:
    """The envelope of audio, float32 [slot, slot band], continued beyond both ends."""
    padded = np.pad(audio, ((0, 0), (0, -audio.shape[1] % MEASURES.frame_samples)))
    features = np.asarray(FEATURES(np.roll(padded, -SLOT // 2, axis=1).T))
    slots = features[:, -sum(MEASURES.parts[3:]) :].reshape(-1, MEASURES.slot_bands)
    return np.pad(slots[:SLOTS] / MEASURES.slot_gain, ((REACH_SLOTS,) * 2, (0, 0)), "edge")


def loudness(audio: np.ndarray) -> np.ndarray:
    """Nepers of the sound above 2 kHz by slot, float64 [slot]."""
    spectrum = np.fft.rfft(audio)
    spectrum[:, np.fft.rfftfreq(audio.shape[1], 1 / MEASURES.sample_rate_hz) < 2000] = 0
    high = np.fft.irfft(spectrum, audio.shape[1])
    return 0.5 * np.log(np.square(high).mean(axis=0)[: SLOTS * SLOT].reshape(-1, SLOT).mean(axis=1))


def test_steady_sound_is_left_alone():
    shaped = np.asarray(SHAPE(AUDIO, coded(0.8 * AUDIO)))
    inside = slice(SLOT, -SLOT)
    np.testing.assert_allclose(shaped[:, inside], AUDIO[:, inside], atol=1e-5)


def test_attack_becomes_as_sharp_as_coded():
    sharp = np.where(np.arange(AUDIO.shape[1]) < 32 * SLOT, 0.03, 1) * AUDIO
    slow = np.interp(np.arange(AUDIO.shape[1]), [24 * SLOT, 36 * SLOT], [0.03, 1]) * AUDIO
    slow, sharp = slow.astype(np.float32), sharp.astype(np.float32)
    shaped = np.asarray(SHAPE(slow, coded(sharp)))
    rises = [
        np.max(loudness(audio)[30:36] - loudness(audio)[28:34]) for audio in (sharp, slow, shaped)
    ]
    assert rises[0] > 3
    assert rises[1] < 0.7
    assert rises[2] > 0.6 * rises[0]
