"""Which soundstage this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version


def version() -> str:
    """The installed version of soundstage; "0+source" when it runs from a bare source tree."""
    try:
        return installed_version("soundstage")
    except PackageNotFoundError:
        return "0+source"


__version__ = version()
