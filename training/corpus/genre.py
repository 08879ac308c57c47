"""What a genre is: its tempo, harmony and form, and who plays what."""

from dataclasses import dataclass, field

from soundstage.training.corpus.composition.scene import Player


@dataclass(frozen=True)
class BandPart:
    """One chair of the band.

    Attributes:
        role: "drums", "bass", "chords", "melody", ...
        instruments: who may sit there.
        player: what is played.
        low: lowest pitch written.
        high: highest pitch written.
        level_lu: loudness while it plays, against the loudest parts.
        pan: -1 left to 1 right.
        reverb: 0 dry to 1.
        chance: how likely the chair is taken in a piece.
        enters: the energy of a section from which on the part plays.
        motion: what its loudness does: "" nothing, "pump" ducks on every beat, "swell" breathes.
    """

    role: str
    instruments: tuple[str, ...]
    player: Player
    low: int = 35
    high: int = 81
    level_lu: float = -3.0
    pan: float = 0.0
    reverb: float = 0.3
    chance: float = 1.0
    enters: float = 0.0
    motion: str = ""


@dataclass(frozen=True)
class Genre:
    """A kind of music.

    Attributes:
        name: how files and manifests call it.
        tempo_bpm: slowest and fastest.
        progressions: for each mode the genre uses, its progressions (see `theory.lay_chords`).
        parts: the band, in the order texts name it.
        density: lowest and highest, 0 to 1.
        brightness: lowest and highest, 0 to 1.
        swing: where the off-beat lies between two beats of `swing_unit`; 0.5 is straight.
        swing_unit: beats from a beat to its off-beat: 0.5 swings eighths, 0.25 sixteenths.
        beats_per_bar: 3 or 4.
        loose_ms: how far from the grid its players are, root mean square.
        section_bars: bars of a section.
        form: energies of the sections in turn with their letters, e.g. (("A", 0.6), ("B", 1.0)).
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

    @property
    def has_drums(self) -> bool:
        """Whether any chair holds drums."""
        return any(part.role == "drums" for part in self.parts)
