"""Commands on models, for tests of downloads."""

from pathlib import Path

from command_line import Finished, run, told
from hub_server import Shelf
from huggingface_hub import constants


def fetch(hub: Shelf, name: str = "depthformer-base", *options: object) -> Finished:
    return run("models", "download", name, "--source", hub.url, *options)


def fetch_from(source: Path | str) -> Finished:
    return run("models", "download", "depthformer-base", "--source", source)


def blob(hub: Shelf, name: str) -> Path:
    folder = f"models--{'--'.join(name.split('/')[:2])}"
    return Path(constants.HF_HUB_CACHE, folder, "blobs", hub.etag(name))


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".part", ".incomplete", ".link")]


def refused(done: Finished, code: int) -> str:
    """Returns the line of an error, without the lines of terms before it."""
    assert done.code == code, (done.code, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    return told("\n".join(line for line in lines if not line.startswith("google/")))
