"""Describes this machine: cores, memory, devices, libraries, cache, sound."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from soundstage.errors import Error
from soundstage.runners.compilation import cache_folder
from soundstage.runners.made_by import processor_name
from soundstage.version import version

# Libraries that decide how fast music is made and whether it can be played.
LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "pyarrow", "ray", "sounddevice", "textual")
# Programs that play WAV from their standard input, and their commands for this.
PLAYERS: Mapping[str, str] = {
    "aplay": "aplay -q",
    "paplay": "paplay",
    "pw-play": "pw-play -",
    "ffplay": "ffplay -nodisp -autoexit -loglevel error -i -",
    "mpv": "mpv --really-quiet -",
    "play": "play -q -t wav -",
}
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True)
class Folder:
    """A folder on disk.

    Attributes:
        path: the folder's path.
        bytes: size of all files in it; 0 if it does not exist.
        free_bytes: free space on its disk.
    """

    path: Path
    bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Machine:
    """The facts about a machine.

    Attributes:
        processor: the processor's name.
        cores: cores that this process may use.
        load: processes ready to run, averaged over the last minute; None = unknown.
        memory_bytes: the machine's memory; None = unknown.
        available_bytes: the memory still available; None = unknown.
        system: operating system and Python.
        versions: versions of soundstage and of the installed libraries, by name.
        devices: JAX's devices, the one for "auto" first.
        has_nvidia: whether there is an NVIDIA GPU, whether or not JAX can use it.
        cache: the folder of compiled programs.
        sound: sound devices that can play, the default one first.
        no_sound: the reason if there are none.
        players: commands of installed players, for `soundstage play --to`.
    """

    processor: str
    cores: int
    load: float | None
    memory_bytes: int | None
    available_bytes: int | None
    system: str
    versions: Mapping[str, str]
    devices: tuple[str, ...]
    has_nvidia: bool
    cache: Folder
    sound: tuple[str, ...]
    no_sound: str
    players: tuple[str, ...]

    @property
    def has_accelerator(self) -> bool:
        """Whether JAX has a device that is not a processor."""
        return any(not device.startswith("cpu") for device in self.devices)


def describe_machine() -> Machine:
    """Describes this machine; takes about as long as importing JAX."""
    import jax

    sound, no_sound = _sound()
    memory = _meminfo()
    return Machine(
        processor=processor_name(),
        cores=len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        memory_bytes=memory.get("MemTotal"),
        available_bytes=memory.get("MemAvailable"),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions={"soundstage": version()} | _versions(),
        devices=tuple(f"{each.platform}:{each.id} {each.device_kind}" for each in jax.devices()),
        has_nvidia=Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") is not None,
        cache=folder(cache_folder()),
        sound=sound,
        no_sound=no_sound,
        players=tuple(command for name, command in PLAYERS.items() if shutil.which(name)),
    )


def folder(path: Path) -> Folder:
    """Measures a folder and the free space on its disk; the folder may be missing."""
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    sizes = (file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Folder(path, sum(sizes), shutil.disk_usage(existing).free)


def peak_memory_bytes() -> int:
    """Returns the most memory of the machine that this process has used so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = installed_version(name)
        except PackageNotFoundError:
            continue
    return versions


def _meminfo() -> dict[str, int]:
    """Returns the entries of /proc/meminfo in bytes; none on other systems than Linux."""
    if not _MEMINFO.exists():
        return {}
    lines = (line.split() for line in _MEMINFO.read_text().splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in lines if len(words) == 3}


def _sound() -> tuple[tuple[str, ...], str]:
    from soundstage.apps.player.sound_devices import find_devices

    try:
        devices = find_devices()
    except Error as error:
        return (), str(error)
    ordered = sorted(devices, key=lambda each: not each.is_default)
    return tuple(f"{each.index} {each.name}" for each in ordered), "" if devices else "no device"
