"""Sound devices, through PortAudio: the library, what there is, and what it says in our words.

The only file that imports it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from soundstage.errors import OutputError, UsageError

_CURE = "`soundstage play --list-devices` shows what there is"


@dataclass(frozen=True)
class Device:
    """A sound device that can play or record.

    Attributes:
        index: its number.
        name: its name, with the system's interface behind it.
        channels: how many it has at most, of those asked for.
        rate_hz: its own sample rate.
        is_default: whether it is what is used if none is named.
    """

    index: int
    name: str
    channels: int
    rate_hz: float
    is_default: bool


def portaudio(otherwise: str = "") -> ModuleType:
    """The library.

    Args:
        otherwise: what can be done without it, with a comma in front; "" = nothing.

    Raises:
        UsageError: the extra `play` is not installed.
        OutputError: PortAudio itself is not.
    """
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        cure = f"install it with `pip install 'soundstage[play]'`{otherwise}"
        raise UsageError(f"sound devices: sounddevice is not installed; {cure}") from error
    except OSError as error:
        cure = f"install it (on Debian: apt-get install libportaudio2){otherwise}"
        raise OutputError(f"sound devices: {error}; {cure}") from error
    return sounddevice


def find_devices(kind: Literal["output", "input"] = "output") -> list[Device]:
    """Every device that can play, or record.

    Raises:
        Exception: what `portaudio` raises.
    """
    library = portaudio()
    systems = [str(api["name"]) for api in library.query_hostapis()]
    try:
        default = library.query_devices(kind=kind)["index"]
    except (library.PortAudioError, ValueError):
        default = None
    return [
        Device(
            each["index"],
            f"{each['name']}, {systems[each['hostapi']]}",
            each[f"max_{kind}_channels"],
            each["default_samplerate"],
            each["index"] == default,
        )
        for each in library.query_devices()
        if each[f"max_{kind}_channels"] > 0
    ]


def number_or_name(device: str | None) -> int | str | None:
    """A device as PortAudio wants it named; None = the system's default."""
    return int(device) if device is not None and device.isdecimal() else device


@contextmanager
def in_words(library: ModuleType, name: str, otherwise: str = "") -> Iterator[None]:
    """Tells what PortAudio refuses within the block.

    Args:
        library: it.
        name: what is refused, for people.
        otherwise: as for `portaudio`.

    Raises:
        OutputError: it refused something.
    """
    try:
        yield
    except (library.PortAudioError, ValueError) as error:
        reason = str(error).split(" [PaErrorCode")[0]
        raise OutputError(f"{name}: {reason}; {_CURE}{otherwise}") from error
