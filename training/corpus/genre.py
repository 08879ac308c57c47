"""The definition of a genre: tempo, harmony, form and the parts of its band."""

from dataclasses import dataclass, field

from soundstage.training.corpus.composition.scene import Player
from soundstage.training.corpus.composition.score import TrackMix


@dataclass(frozen=True)
class BandPart:
    """One part of the band.

    Attributes:
        role: "drums", "bass", "chords", "melody", ...
        instruments: the instruments that may play it.
        player: writes its notes.
        mix: its loudness, position and reverberation.
        pitches: lowest and highest pitch written.
        chance: probability that a piece has the part.
        enters: least energy of the sections in which the part plays.
        motion: loudness over time: "" = constant, "pump" ducks on every beat, "swell" rises and
            falls in each section.
    """

    role: str
    instruments: tuple[str, ...]
    player: Player
    mix: TrackMix
    pitches: tuple[int, int] = (35, 81)
    chance: float = 1.0
    enters: float = 0.0
    motion: str = ""


@dataclass(frozen=True)
class Genre:
    """A kind of music.

    Attributes:
        name: the name in files and manifests.
        tempo_bpm: slowest and fastest.
        progressions: for each mode the genre uses, its progressions (see `theory.lay_chords`).
        parts: the band, in the order of its names in texts.
        density: lowest and highest, 0 to 1.
        brightness: lowest and highest, 0 to 1.
        swing: position of the off-beat between two beats of `swing_unit`; 0.5 is straight.
        swing_unit: beats from a beat to its off-beat: 0.5 swings eighths, 0.25 sixteenths.
        beats_per_bar: 3 or 4.
        loose_ms: root mean square deviation of notes from the grid.
        section_bars: bars of a section.
        form: letter and energy of each section in turn, e.g. (("A", 0.6), ("B", 1.0)).
    """

    name: str
    tempo_bpm: tuple[int, int]
    progressions: dict[str, tuple[str, ...]]
    parts: tuple[BandPart, ...]
    density: tuple[float, float] = (0.2, 0.9)
    brightness: tuple[float, float] = (0.2, 0.9)
    swing: float = 0.5
    swing_unit: float = 0.5
    beats_per_bar: int = 4
    loose_ms: float = 6.0
    section_bars: int = 4
    form: tuple[tuple[str, float], ...] = field(
        default=(("A", 0.7), ("A", 0.85), ("B", 1.0), ("A", 0.8), ("B", 1.0))
    )
