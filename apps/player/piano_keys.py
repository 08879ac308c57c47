"""The computer's keyboard as a piano: two rows of letters, and two keys for the octave."""

from __future__ import annotations

# White keys on the middle row of letters, black keys above them: an octave and a third.
SEMITONES = {key: semitone for semitone, key in enumerate("awsedftgyhujkolp")}
OCTAVE_DOWN, OCTAVE_UP = "z", "x"
MIDDLE_C = 60
OCTAVE, HIGHEST = 12, 127


class PianoKeys:
    """Turns letters into MIDI pitches.

    Attributes:
        lowest: the pitch of the key `a`.
    """

    def __init__(self) -> None:
        self.lowest = MIDDLE_C

    def pitch(self, key: str) -> int | None:
        """Returns a key's pitch, 0 to 127; None if it is no key of the piano.

        `z` and `x` move the piano by an octave.
        """
        if key in (OCTAVE_DOWN, OCTAVE_UP):
            moved = self.lowest + (OCTAVE if key == OCTAVE_UP else -OCTAVE)
            if 0 <= moved <= HIGHEST - max(SEMITONES.values()):
                self.lowest = moved
        semitone = SEMITONES.get(key)
        return None if semitone is None else self.lowest + semitone
