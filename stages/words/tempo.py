"""The range of tempos that fits a genre, words such as "fast", and a tempo in numbers."""

SLOWEST_BPM, FASTEST_BPM = 40.0, 220.0
# Where in a range the tempos for a speed lie: 0 = its lowest, 1 = its highest tempo.
_WITHIN = {-1: (-0.1, 0.4), 0: (0.3, 0.7), 1: (0.6, 1.1)}
_MUCH = 0.15
# Without a genre: very slow, slow, medium, fast, very fast, in beats a minute.
_ALONE = {
    -2: (46.0, 66.0),
    -1: (64.0, 88.0),
    0: (94.0, 116.0),
    1: (120.0, 148.0),
    2: (150.0, 180.0),
}


def tempo_range(
    usual: tuple[float, float] | None,
    speed: float | None,
    asked: tuple[float, float] | None,
) -> tuple[float, float] | None:
    """Returns the lowest and the highest tempo that fit, in beats a minute; None = not said.

    Args:
        usual: the genre's range; None = no genre, or one without a beat.
        speed: -2 very slow to 2 very fast; None = not said.
        asked: lowest and highest tempo that the prompt names; equal, if it names one.
    """
    if asked is not None and (asked[0] < asked[1] or usual is None):
        return asked
    if speed is None:
        return usual
    step = max(-2, min(2, round(speed)))
    if usual is None:
        return _ALONE[step]
    low, high = usual
    if step == -2:
        found = (low * (1 - _MUCH), low)
    elif step == 2:
        found = (high, high * (1 + _MUCH))
    else:
        first, last = _WITHIN[step]
        found = (low + first * (high - low), low + last * (high - low))
    return max(SLOWEST_BPM, found[0]), min(FASTEST_BPM, found[1])
