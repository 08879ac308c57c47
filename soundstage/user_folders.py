"""The user's folders of cached and of downloaded files."""

import os
from collections.abc import Callable
from pathlib import Path

NAME = "soundstage"
# Nothing can exist below a file: what is read from there is missing, and nothing is written.
NO_HOME = Path(os.devnull) / "no-home-folder" / NAME


def user_cache_folder() -> Path:
    """Returns the folder of what can be made again; `NO_HOME` for a user without a home folder."""
    import platformdirs  # late: most commands need neither folder

    return _with_home(lambda: platformdirs.user_cache_path(NAME))


def user_data_folder() -> Path:
    """Returns the folder of models; `NO_HOME` for a user without a home folder."""
    import platformdirs

    return _with_home(lambda: platformdirs.user_data_path(NAME))


def _with_home(find: Callable[[], Path]) -> Path:
    try:
        folder = find()
    except RuntimeError:  # some versions raise it, others return a path below "~"
        return NO_HOME
    return folder if folder.is_absolute() else NO_HOME
