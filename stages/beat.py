"""The stage that writes the prompt of a network that plays to a beat, and keeps the beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from soundstage.audio.beat import find_beat
from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.depthformer.conditions import CYCLE_BEATS, FREE
from soundstage.stages.depthformer.vocabulary import Vocabulary
from soundstage.stages.ports import (
    ASKED_SOUND,
    ASKED_TEMPO,
    BEATS,
    BPM,
    BRIGHTNESS,
    CONTEXT,
    DENSITY,
    DRUMS,
    PROMPT,
    SOUND,
    STYLE_TOKENS,
)

if TYPE_CHECKING:
    import jax


class PackOnBeat:
    """Writes the past and the style as ids, and counts the beats of the chunk.

    The tempo of a chunk is the first of these that is known: the control `bpm`; the tempo that the
    prompt names; the tempo of the chunk before, twice or half of it, if it fits the prompt; the
    middle of the tempos that fit the prompt. The count continues that of the chunk before.

    Inputs:
        context: int32 [row, context_frame, level]; -1 = nothing yet, which becomes PAD.
        style: int32 [row, style_level]; the first `prompt_style_levels` are used.
        asked_tempo: float32 [row, tempo_number]; the tempo that the prompt names, and the lowest
            and the highest that fit it, in beats a minute; -1 = it says nothing, 0 = music without
            a beat.
        asked_sound: float32 [row, sound_number]; density, brightness and drums of the prompt, in
            [0, 1]; -1 = it says nothing.
        bpm: float32 [row], in [0, 300]; 0 = free.
        density: float32 [row], in [0, 1]; -1 = as the prompt says, like the next two.
        brightness: float32 [row].
        drums: float32 [row].
        beats: float32 [row, window_frame]; this stage's output for the chunk before, -1 at first.
        tempo: float32 [row]; this stage's output for the chunk before, 0 at first.

    Outputs:
        prompt: int32 [row, prompt_token]; frame by frame, then the style.
        unprompted: int32 [row, prompt_token]; the same with its style masked, for guidance.
        beats: float32 [row, window_frame]; the number of the beat at each frame of the past and of
            the chunk, in [0, 12), -1 = free. Bars start at multiples of their length.
        sound: float32 [row, sound_number]; density, brightness and drums, in [0, 1], -1 = free.
        tempo: float32 [row]; beats a minute, 0 = free.

    Raises:
        ValueError: a code is outside [0, codebook_size).
    """

    inputs: ClassVar[dict[str, Port]] = {
        "context": CONTEXT,
        "style": STYLE_TOKENS,
        "asked_tempo": ASKED_TEMPO,
        "asked_sound": ASKED_SOUND,
        "bpm": BPM,
        "density": DENSITY,
        "brightness": BRIGHTNESS,
        "drums": DRUMS,
        "beats": BEATS,
        "tempo": BPM,
    }
    outputs: ClassVar[dict[str, Port]] = {
        "prompt": PROMPT,
        "unprompted": PROMPT,
        "beats": BEATS,
        "sound": SOUND,
        "tempo": BPM,
    }

    def __init__(self, params: None, format: Format, device: jax.Device) -> None:
        self._vocabulary = Vocabulary.of(format)
        self._frames = format.dims["frame"]
        self._frames_per_minute = 60.0 * format.frame_rate_hz

    @staticmethod
    def after_audio(audio: np.ndarray, format: Format) -> dict[str, np.ndarray]:
        """Returns the beats and the tempo after audio, which the next chunk continues.

        Args:
            audio: float32 [sample, channel], at the format's rate.
            format: the music format.

        Returns:
            beats: float32 [window_frame], up to the end of the audio; the next beat starts a bar.
            tempo: float32 scalar. Without a clear beat both are free.
        """
        window, rate_hz = format.dims["window_frame"], format.frame_rate_hz
        count, tempo = np.full(window, FREE, np.float32), np.float32(0)
        beat = find_beat(audio, format.sample_rate_hz)
        if beat is not None:
            known = min(window, len(audio) // format.frame_samples)
            before_end_s = np.arange(-known, 0) / rate_hz
            exact = (before_end_s - beat.next_s) * beat.tempo_bpm / 60 % CYCLE_BEATS
            count[window - known :] = exact.astype(np.float32) % np.float32(CYCLE_BEATS)
            tempo = np.float32(beat.tempo_bpm)
        return {"beats": count, "tempo": np.asarray(tempo)}

    def __call__(
        self,
        context: np.ndarray,
        style: np.ndarray,
        asked_tempo: np.ndarray,
        asked_sound: np.ndarray,
        bpm: np.ndarray,
        density: np.ndarray,
        brightness: np.ndarray,
        drums: np.ndarray,
        beats: np.ndarray,
        tempo: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Packs one tick's prompt and counts its beats."""
        prompt = self._vocabulary.hide_nothing(self._vocabulary.pack(context, style))
        chosen = np.array(list(map(chosen_tempo, bpm, asked_tempo, tempo)), np.float32)
        asked = np.stack([density, brightness, drums], axis=-1)
        return {
            "prompt": prompt,
            "unprompted": self._vocabulary.unprompted(prompt),
            "beats": self._counted(beats, tempo, chosen),
            "sound": np.where(asked >= 0, asked, asked_sound),
            "tempo": chosen,
        }

    def _counted(self, before: np.ndarray, tempo: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Moves the count on by a chunk.

        Args:
            before: float32 [row, window_frame]; the count up to the end of the chunk before.
            tempo: float32 [row]; the tempo there.
            chosen: float32 [row]; the tempo of the chunk.
        """
        last = before[:, -1].astype(np.float64)
        start = np.where(last >= 0, last + tempo / self._frames_per_minute, 0.0)
        step = chosen.astype(np.float64) / self._frames_per_minute
        exact = (start[:, None] + step[:, None] * np.arange(self._frames)) % CYCLE_BEATS
        # Rounding may give the cycle's length itself, which is its start.
        count = exact.astype(np.float32) % np.float32(CYCLE_BEATS)
        chunk = np.where(chosen[:, None] > 0, count, np.float32(FREE))
        return np.concatenate([before[:, self._frames :], chunk], axis=1)


def chosen_tempo(bpm: float, asked_tempo: np.ndarray, running: float) -> float:
    """Chooses the tempo of a chunk; see `PackOnBeat`.

    Args:
        bpm: the control, 0 = free.
        asked_tempo: float32 [3]; the tempo that the prompt names, the lowest and the highest.
        running: the tempo of the chunk before, 0 = free.

    Returns:
        Beats a minute, 0 = free.
    """
    named, lowest, highest = map(float, asked_tempo)
    if bpm > 0:
        return bpm
    if named >= 0:
        return named
    if lowest < 0:
        return running
    # Twice and half the tempo have the same beats.
    for factor in (1.0, 2.0, 0.5):
        if lowest <= factor * running <= highest:
            return factor * running
    return (lowest + highest) / 2
