"""Rendering of scores to audio: every track alone, then the mixer with its effects."""

from pathlib import Path

import numpy as np

from soundstage.training.corpus.composition.score import Score, Track
from soundstage.training.corpus.effects import (
    brightened,
    chorused,
    convolved,
    driven,
    ducking,
    echoed,
    room_response,
    swept,
    widened,
)
from soundstage.training.corpus.fluidsynth import RATE_HZ, Synthesizer
from soundstage.training.corpus.instruments import DRUMS, INSTRUMENTS
from soundstage.training.corpus.loudness import levelled, loudness_lufs
from soundstage.training.corpus.plan import SOUND, Brief
from soundstage.training.corpus.sampler import Sampler
from soundstage.training.corpus.sound import Sound, SoundSources, draw_sound

# Part of every recipe (see `production`): raise it when the same score would sound different.
RENDER_VERSION = 3
MIX_LUFS = -20.0
FADE_S = 0.02
# Percussion that a kit of samples lacks is softer than the kit.
PERCUSSION_LU = -7.0
ECHO_FEEDBACK = 0.45
ECHO_ROLES = ("melody", "arpeggio", "stabs", "dub", "bells", "skank")
CHORUS_ROLES = ("chords", "pad", "arpeggio", "organ", "skank", "strum")
SWEEP_ROLES = ("chords", "pad", "arpeggio", "stabs")
DRIVE_ROLES = ("drums", "bass")


class Renderer:
    """Renders scores; usable by one thread at a time.

    Args:
        sources: the soundfonts and drum samples.

    Raises:
        RenderError: FluidSynth is missing or cannot read a soundfont.
    """

    def __init__(self, sources: SoundSources) -> None:
        self._sources = sources
        self._synthesizers = [Synthesizer(font) for font in sources.soundfonts]
        self._sampler = Sampler(sources.samples or Path())

    def close(self) -> None:
        """Frees the memory of the soundfonts; the renderer cannot be used afterwards."""
        for synthesizer in self._synthesizers:
            synthesizer.close()

    def render(self, brief: Brief, score: Score, piece_s: float) -> np.ndarray:
        """Renders a piece, cut to `piece_s` seconds; its effects are drawn from its seed.

        Args:
            brief: the plan of the piece.
            score: the piece, at least `piece_s` long.
            piece_s: seconds of audio.

        Returns:
            float32 [sample, 2] at `RATE_HZ`, exactly `piece_s` long, equally loud for all pieces.
        """
        sound = draw_sound(brief.seed, score, self._sources)
        samples = round(piece_s * RATE_HZ)
        audio = self._mixed(brief, score, sound, samples)
        audio = levelled(brightened(audio, RATE_HZ, brief.brightness), RATE_HZ)
        # The cut would click without a fade.
        fade = np.linspace(1.0, 0.0, round(FADE_S * RATE_HZ))
        audio[-len(fade) :] *= fade[:, None]
        return audio.astype(np.float32)

    def _mixed(self, brief: Brief, score: Score, sound: Sound, samples: int) -> np.ndarray:
        """Adds the tracks at the score's loudness levels and their reverberation.

        The sounds of a soundfont differ by 20 dB at equal volume, so the loudness of each track is
        measured.

        Returns:
            float32 [sample, 2]; the level of the mix is arbitrary.
        """
        dry = np.zeros((samples, 2), np.float32)
        wet = np.zeros((samples, 2), np.float32)
        duck = ducking(_kicks(score, samples), samples, RATE_HZ, sound.duck)
        for track in score.tracks:
            audio = self._track(track, score, sound, samples)
            if audio is None:
                continue
            audio = _effects(track.role, audio, score, sound)
            if sound.duck and not INSTRUMENTS[track.instrument].is_drums:
                audio *= duck
            dry += audio
            wet += audio * np.float32(track.mix.reverb)
            if sound.echo_beats and track.role in ECHO_ROLES:
                step = round(sound.echo_beats * 60.0 / score.tempo_bpm * RATE_HZ)
                echoes = echoed(audio, step, ECHO_FEEDBACK)
                dry += echoes
                wet += echoes
        rng = np.random.default_rng([brief.seed, SOUND, 1])
        room = room_response(sound.room_s, sound.damping, RATE_HZ, rng)
        return widened(dry + np.float32(sound.room_level) * convolved(wet, room), sound.width)

    def _track(self, track: Track, score: Score, sound: Sound, samples: int) -> np.ndarray | None:
        """Renders a track at its loudness level; None if it is silent."""
        synthesizer, tempo_bpm = self._synthesizers[sound.soundfont], score.tempo_bpm
        if not (sound.kit and INSTRUMENTS[track.instrument].is_drums):
            return _at_level(synthesizer.render(track, tempo_bpm, samples), track.mix.level_lu)
        mine, others = self._sampler.split(track, sound.kit)
        strokes = self._sampler.render(mine.notes, sound.kit, tempo_bpm, samples)
        audio = _at_level(strokes, track.mix.level_lu)
        if others.notes:
            more = synthesizer.render(others, tempo_bpm, samples)
            level_lu = track.mix.level_lu + (PERCUSSION_LU if audio is not None else 0.0)
            percussion = _at_level(more, level_lu)
            if audio is None or percussion is None:
                return percussion if audio is None else audio
            audio += percussion
        return audio


def _at_level(audio: np.ndarray, level_lu: float) -> np.ndarray | None:
    level = loudness_lufs(audio, RATE_HZ)
    if not np.isfinite(level):
        return None
    return audio * np.float32(10.0 ** ((MIX_LUFS + level_lu - level) / 20.0))


def _effects(role: str, audio: np.ndarray, score: Score, sound: Sound) -> np.ndarray:
    """Applies the effects of one track."""
    if sound.drive_db and role in DRIVE_ROLES:
        level = loudness_lufs(audio, RATE_HZ) - MIX_LUFS
        distorted = _at_level(driven(audio, sound.drive_db), level)
        audio = audio if distorted is None else distorted
    if sound.chorus and role in CHORUS_ROLES:
        audio = chorused(audio, RATE_HZ, sound.chorus)
    if sound.sweep_bars and role in SWEEP_ROLES:
        bar_s = score.beats_per_bar * 60.0 / score.tempo_bpm
        audio = swept(audio, RATE_HZ, sound.sweep_bars * bar_s)
    return audio


def _kicks(score: Score, samples: int) -> list[int]:
    """Lists the samples at which a kick starts."""
    starts = {
        round(note.start * 60.0 / score.tempo_bpm * RATE_HZ)
        for track in score.tracks
        if INSTRUMENTS[track.instrument].is_drums
        for note in track.notes
        if note.pitch == DRUMS["kick"]
    }
    return sorted(start for start in starts if start < samples)
