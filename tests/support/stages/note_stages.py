"""A stage that is heard: each frame's audio is the sum of the pitches that sound in it."""

import numpy as np

from soundstage.stages.ports import AUDIO, CONTROL_NUMBERS

SCALE = 1000.0


class Sum:
    """Plays a constant for each frame: the sum of its pitches over 1000; free = -0.5."""

    inputs = {"numbers": CONTROL_NUMBERS}
    outputs = {"audio": AUDIO}
    uses_device = False

    def __init__(self, params, format, device):
        self.frame_samples = format.dims["sample"] // format.dims["frame"]

    def __call__(self, numbers):
        notes = numbers[:, :, :128]
        sums = ((notes > 0) * np.arange(128)).sum(axis=2) / SCALE
        heard = np.where((notes == -1).all(axis=2), -0.5, sums).astype(np.float32)
        audio = np.repeat(heard, self.frame_samples, axis=1)
        return {"audio": np.repeat(audio[:, :, None], 2, axis=2)}
