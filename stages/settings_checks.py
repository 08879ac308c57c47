"""Checks of settings and of the music format that several stages make."""


def check_weights_setting(weights: object) -> None:
    """Refuses a `weights` setting that is not a string, or is empty.

    Raises:
        ValueError: names the value and what to write instead.
    """
    if not isinstance(weights, str) or not weights:
        raise ValueError(
            f"weights must be random:SEED, a path, or the name of a model, got {weights!r}"
        )


def format_mismatches(*sizes: tuple[str, int, int]) -> list[str]:
    """Compares sizes of the music format with those of a codec.

    Args:
        sizes: for each size its name, its value in the format, and the codec's value.

    Returns:
        One sentence for each size that differs.
    """
    return [
        f"{name} is {value} in [format], but the codec has {needed}"
        for name, value, needed in sizes
        if value != needed
    ]
