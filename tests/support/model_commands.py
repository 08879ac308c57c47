"""Commands that tests of downloads run, and what they look at afterwards."""

from pathlib import Path

from command_line import Finished, run, told
from hub_server import LocalHub
from huggingface_hub import constants


def fetch(hub: LocalHub, name: str = "depthformer-base", *options: object) -> Finished:
    return run("models", "download", name, "--source", hub.url, *options)


def blob(hub: LocalHub, name: str) -> Path:
    folder = f"models--{'--'.join(name.split('/')[:2])}"
    return Path(constants.HF_HUB_CACHE, folder, "blobs", hub.etag(name))


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".part", ".incomplete", ".link")]


def refused(done: Finished, code: int) -> str:
    """Returns the only line on standard error besides those that start with a repository."""
    assert done.code == code, (done.code, done.stdout, done.stderr)
    lines = done.stderr.splitlines()
    return told("\n".join(line for line in lines if not line.startswith("google/")))
