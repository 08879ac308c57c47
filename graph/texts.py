"""Lists of texts from Python, where a text alone would be read letter by letter."""

from collections.abc import Iterable

from soundstage.errors import UsageError


def texts(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Returns texts as a tuple.

    Args:
        name: the argument, quoted in errors.
        values: a list or another collection of texts.

    Raises:
        UsageError: a text stands in place of the list, or the list holds something else.
    """
    if isinstance(values, str | bytes):
        raise UsageError(f"{name} is a list of texts: write {name}=[{values!r}]")
    if not isinstance(values, Iterable):
        raise UsageError(f"{name} is a list of texts, not {type(values).__name__}")
    items = tuple(values)
    for item in items:
        if not isinstance(item, str):
            raise UsageError(f"{name} is a list of texts, and {item!r} is {type(item).__name__}")
    return items
