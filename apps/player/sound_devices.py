"""Sound devices through PortAudio: imports the library, lists devices, translates its errors.

No other file imports sounddevice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from soundstage.errors import OutputError, UsageError

_CURE = "`soundstage play --list-devices` lists the devices"


@dataclass(frozen=True)
class Device:
    """A sound device that can play or record.

    Attributes:
        index: PortAudio's number for the device.
        name: the device's name and the system's sound interface, such as "USB Audio, ALSA".
        channels: the most channels that it plays or records.
        rate_hz: its default sample rate.
        is_default: whether it is the system's default device.
    """

    index: int
    name: str
    channels: int
    rate_hz: float
    is_default: bool


def portaudio(otherwise: str = "") -> ModuleType:
    """Imports and returns the library sounddevice.

    Args:
        otherwise: an alternative to append to the error, with a comma in front; "" = none.

    Raises:
        UsageError: sounddevice is not installed; the extra `play` installs it.
        OutputError: PortAudio itself is not installed.
    """
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        cure = f"in soundstage's source folder, run `pip install '.[play]'`{otherwise}"
        raise UsageError(f"sound devices: sounddevice is not installed; {cure}") from error
    except OSError as error:
        cure = f"install it (on Debian: apt-get install libportaudio2){otherwise}"
        raise OutputError(f"sound devices: {error}; {cure}") from error
    return sounddevice


def find_devices(kind: Literal["output", "input"] = "output") -> list[Device]:
    """Returns all devices that can play ("output") or record ("input").

    Raises:
        Exception: as `portaudio`.
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
    """Returns a device as PortAudio's number or name; None = the system's default."""
    is_number = device is not None and device.isdecimal() and len(device) < 10
    return int(device) if device is not None and is_number else device


@contextmanager
def portaudio_errors(library: ModuleType, name: str, otherwise: str = "") -> Iterator[None]:
    """Turns PortAudio's errors of the block into ours.

    Args:
        library: sounddevice.
        name: the device, for the message.
        otherwise: as for `portaudio`.

    Raises:
        OutputError: in place of a PortAudioError or ValueError of the block.
    """
    try:
        yield
    except (library.PortAudioError, ValueError) as error:
        reason = str(error).split(" [PaErrorCode")[0]
        raise OutputError(f"{name}: {reason}; {_CURE}{otherwise}") from error
