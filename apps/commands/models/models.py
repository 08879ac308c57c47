"""`soundstage models`: lists, fetches, checks and converts the published weights."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.exit_codes import CommandFailed
from soundstage.apps.commands.options import AsJson
from soundstage.errors import InputError, ModelError

HELP = """Fetch, check and convert the published weights.

`NAME` is a model, or a preset for all models that it needs; `soundstage models list` shows both."""
LIST_EXAMPLES = """Examples:

soundstage models list

soundstage models list --json"""
DOWNLOAD_EXAMPLES = """Examples:

soundstage models download large

soundstage models download base --source /media/stick/magenta

soundstage models download large --source https://mirror.example.org

soundstage models download large --offline"""
VERIFY_EXAMPLES = """Example:

soundstage models verify large"""
CONVERT_EXAMPLES = """Examples:

soundstage models convert depthformer-large depthformer-large --dtype bfloat16

soundstage models convert spectrostream spectrostream

soundstage models convert llm_base_x4286_c1860k.tar base.safetensors"""
PATH_EXAMPLES = """Example:

soundstage models path depthformer-large"""

app = typer.Typer(help=HELP, no_args_is_help=False, rich_markup_mode="markdown")


class DType(StrEnum):
    """The type that a network computes in."""

    float32 = "float32"
    bfloat16 = "bfloat16"


Name = Annotated[str, typer.Argument(metavar="NAME", help="A model or a preset.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list", epilog=LIST_EXAMPLES)
@command
def list_models(as_json: AsJson = False) -> None:
    """List the published models, their paths on this machine, and the presets that need them."""
    listing = _listing()
    if as_json:
        print(json.dumps(listing, indent=2))
        return
    for model in listing["models"]:
        path = model["path"] or "not fetched"
        presets = ", ".join(model["presets"]) or "no preset"
        print(f"{model['name']:<18} {model['what']}; for {presets}; {path}")
    for preset, names in listing["presets"].items():
        print(f"{preset:<18} {', '.join(names)}")
    terms = listing["terms"]
    print(f"weights {terms['weights']}, publishers' code {terms['code']}; {terms['summary']}")


def _listing() -> dict[str, Any]:
    from soundstage.stages.weights.models_folder import model_paths, models_folder
    from soundstage.stages.weights.published.catalogue import read_catalogue
    from soundstage.stages.weights.published.records import Records

    catalogue = read_catalogue()
    records = Records.read(models_folder())
    models = []
    for model in catalogue.models.values():
        path = next((path for path in model_paths(model.name) if path.exists()), None)
        recorded = {file.path: records.of(model, file) for file in model.files}
        models.append(
            {
                "name": model.name,
                "what": model.description,
                "repository": model.repository,
                "revision": model.revision,
                "card": model.card,
                "path": None if path is None else str(path),
                "presets": [name for name, m in catalogue.presets.items() if model.name in m],
                "files": {path: record and asdict(record) for path, record in recorded.items()},
            }
        )
    presets = {name: list(models) for name, models in catalogue.presets.items()}
    return {"models": models, "presets": presets, "terms": asdict(catalogue.terms)}


@app.command(epilog=DOWNLOAD_EXAMPLES)
@command
def download(
    name: Name,
    source: Annotated[
        str,
        typer.Option(
            metavar="WHERE", help="A folder with the files, or the URL of a mirror of the hub."
        ),
    ] = "",
    offline: Annotated[
        bool, typer.Option("--offline", help="Use only the hub's cache; send no requests.")
    ] = False,
    revision: Annotated[
        str,
        typer.Option(
            metavar="COMMIT", help="A branch, tag or commit; its hashes replace the recorded ones."
        ),
    ] = "",
    quiet: Quiet = False,
) -> None:
    """Fetch the missing files, check them, and put them where pipelines find them.

    Files from a hub are kept in the cache of huggingface_hub and linked from there. Hashes are
    recorded at the first download and checked at every later one.
    """
    from soundstage.progress import open_progress
    from soundstage.stages.weights.models_folder import models_folder
    from soundstage.stages.weights.published.catalogue import read_catalogue
    from soundstage.stages.weights.published.download import DownloadRequest
    from soundstage.stages.weights.published.download import download as fetch

    catalogue = read_catalogue()
    request = DownloadRequest(catalogue.find(name), source, offline, revision)
    print_line = (lambda line: None) if quiet else print
    fetch(request, catalogue.terms, models_folder(), open_progress(quiet), print_line)
    if name in catalogue.presets and not quiet:
        print(f'ready: soundstage generate --preset {name} --prompt "disco funk"')


@app.command(epilog=VERIFY_EXAMPLES)
@command
def verify(name: Name, quiet: Quiet = False) -> None:
    """Check every file against its record, and read every array in it.

    The exit code is 5 if anything is missing or damaged.
    """
    from soundstage.progress import open_progress
    from soundstage.stages.weights.models_folder import models_folder
    from soundstage.stages.weights.published.catalogue import read_catalogue
    from soundstage.stages.weights.published.integrity import verify as check

    failed = False
    for model in read_catalogue().find(name):
        for verdict in check(model, models_folder(), open_progress(quiet)):
            failed |= bool(verdict.problems)
            if verdict.problems or not quiet:
                print(verdict.line(), flush=True)
    if failed:
        raise CommandFailed(ModelError.exit_code)


@app.command(epilog=CONVERT_EXAMPLES)
@command
def convert(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="A model's name, or a path to weights.")
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="DST",
            help="A path that ends in .safetensors, or a name; a converted model with the name of "
            "a published one replaces it.",
        ),
    ],
    dtype: Annotated[
        DType, typer.Option(help="The type to compute in: bfloat16 on a GPU or TPU.")
    ] = DType.float32,
    quiet: Quiet = False,
) -> None:
    """Write a model as one safetensors file, which loads faster: it is mapped into memory."""
    from soundstage.apps.commands.models.convert import convert as write
    from soundstage.progress import open_progress

    summary = write(source, target, dtype.value, open_progress(quiet))
    if not quiet:
        print(summary)


@app.command(epilog=PATH_EXAMPLES)
@command
def path(name: Name) -> None:
    """Print the path of a model, or of each model that a preset needs."""
    from soundstage.stages.weights.models_folder import is_model_name, model_paths
    from soundstage.stages.weights.published.catalogue import read_catalogue

    catalogue = read_catalogue()
    if not is_model_name(name):
        raise InputError(f"{name!r} is not a model's name; `soundstage models list` shows them")
    # The models folder may hold models that are not published.
    is_here = any(path.exists() for path in model_paths(name))
    names = [name] if is_here else [model.name for model in catalogue.find(name)]
    for model in names:
        path = next((path for path in model_paths(model) if path.exists()), None)
        if path is None:
            raise ModelError(
                f"{model}: not fetched; `soundstage models download {model}` fetches it"
            )
        print(path)
