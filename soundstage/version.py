"""The version of soundstage."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version


def version() -> str:
    """Returns the installed version; "0+source" in a source tree that is not installed."""
    try:
        return installed_version("soundstage")
    except PackageNotFoundError:
        return "0+source"


__version__ = version()
