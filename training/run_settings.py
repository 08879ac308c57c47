"""The settings of a run as JSON in the run's folder, compared whenever the run is resumed."""

from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from soundstage.documents import read_json
from soundstage.errors import Error
from soundstage.files import replacing

T = TypeVar("T")


class SettingsError(Error):
    """The settings of a run are impossible, unreadable, or not those it was started with."""


def keep_settings(path: Path, settings: Any) -> None:
    """Writes the settings of a new run; for an old run, checks that they are the same.

    Args:
        path: the file in the run's folder; the folder is made if absent.
        settings: a dataclass of numbers, texts, tuples and dataclasses of such.

    Raises:
        SettingsError: the run was started with other settings; the message says which.
        OSError: the folder cannot be made.
        OutputError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    adapter = TypeAdapter(type(settings))
    if path.exists():
        before = adapter.dump_python(read_settings(path, type(settings)))
        now = adapter.dump_python(settings)
        names = [name for name in now if before[name] != now[name]]
        if names:
            old, new = (
                ", ".join(f"{name} {values[name]!r}" for name in names) for values in (before, now)
            )
            raise SettingsError(
                f"{path.parent} was started with {old}, not {new}: give the same settings, or "
                "another run folder"
            )
        return
    with replacing(path) as file:
        file.write(adapter.dump_json(settings, indent=2) + b"\n")


def read_settings(path: Path, kind: type[T]) -> T:
    """Reads the settings of a run.

    Args:
        path: the file that `keep_settings` wrote.
        kind: the dataclass.

    Raises:
        SettingsError: the file is missing, damaged or holds something else.
    """
    adapter = TypeAdapter(kind)
    try:
        text = path.read_bytes()
        settings = adapter.validate_json(text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"{path.parent} holds no run: {path.name} cannot be read ({reason}); train there first"
        ) from error
    except ValidationError as error:
        raise SettingsError(f"{path}: not the settings of such a run ({error})") from error
    if unknown := read_json(text).keys() - adapter.dump_python(settings).keys():
        raise SettingsError(f"{path} has unknown settings: {', '.join(sorted(unknown))}")
    return settings
