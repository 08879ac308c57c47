"""What a prompt says about music."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Meaning:
    """What a prompt says; None, "" and empty = it does not say.

    Attributes:
        genres: shares of genres, which sum to 1; empty = no genre.
        unwanted: genres that the prompt excludes.
        bpm: the tempo that the prompt names, in beats a minute.
        tempo: lowest and highest tempo that fit, in beats a minute.
        paced: whether the prompt itself says something about tempo.
        density: 0 sparse to 1 busy.
        brightness: 0 dark to 1 bright.
        drums: whether there are drums.
        mood: as descriptions say it.
        plays: instruments, as descriptions name them.
        tonic: as descriptions say it, e.g. "D flat".
        mode: as descriptions say it, e.g. "minor".
        not_understood: the words that mean nothing here, as typed, each once.
    """

    genres: Mapping[str, float] = field(default_factory=dict)
    unwanted: frozenset[str] = frozenset()
    bpm: float | None = None
    tempo: tuple[float, float] | None = None
    paced: bool = False
    density: float | None = None
    brightness: float | None = None
    drums: bool | None = None
    mood: str = ""
    plays: tuple[str, ...] = ()
    tonic: str = ""
    mode: str = ""
    not_understood: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the prompt says nothing about music."""
        said = (self.bpm, self.tempo, self.density, self.brightness, self.drums)
        words = (self.genres, self.unwanted, self.mood, self.plays, self.tonic, self.mode)
        return all(value is None for value in said) and not any(words)
