"""Published models: fetched, checked, converted and played; errors of pipelines without them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command_line import run, told
from hub_server import LocalHub, serving
from model_files import BASE_TAR, ROOT, archive, published, scraps, small, transformer
from musiccoca_models import REFERENCE
from safetensors.numpy import load_file

import soundstage
from soundstage.audio.inspection import inspect
from soundstage.graph.format import Format
from soundstage.graph.pipeline_file import read_tables
from soundstage.presets.preset import preset_path
from soundstage.stages.depthformer.config import TINY
from soundstage.stages.depthformer.loading import load_depthformer, published_name
from soundstage.stages.weights.models_folder import models_folder
from soundstage.stages.weights.modules import parameter_arrays
from soundstage.stages.weights.published.catalogue import PublishedFile, read_catalogue
from soundstage.stages.weights.sources import closing_source

MODELS = (
    "depthformer-base",
    "depthformer-large",
    "spectrostream",
    "magenta-rt2-small",
    "magenta-rt2-base",
    "musiccoca",
)
# The stages in which, by their headers, the presets differ from `tiny`.
OWN = ("embed", "quantize", "sample", "decode")


@pytest.fixture
def models(home):
    """Models of small playable networks, fetched from a hub that has been closed."""
    with serving(LocalHub(dict(published()))) as hub:
        for name in ("base", "large"):
            done = run("models", "download", name, "--source", hub.url)
            assert done.code == 0, done.stderr
    return home


def generate(pipeline, output, *options):
    arguments = ("--pipeline", pipeline, "--prompt", "warm pads", "--duration", 2, "--seed", 3)
    return run("generate", *arguments, "--output", output, "--place", "default=cpu", *options)


def test_fetched_and_converted_weights_make_the_same_music(models, tmp_path):
    pipeline = small("large", tmp_path)
    verified = run("models", "verify", "large")
    assert verified.code == 0, verified.stdout
    assert "arrays, 2.0 M parameters, all readable" in verified.stdout
    assert generate(pipeline, tmp_path / "one.wav").code == 0
    for name in ("depthformer-large", "spectrostream"):
        done = run("models", "convert", name, name)
        assert done.code == 0, done.stderr
        assert run("models", "path", name).stdout.strip() == str(
            models_folder() / f"{name}.safetensors"
        )
    done = generate(pipeline, tmp_path / "two.wav")
    assert done.code == 0, done.stderr
    first, second = (inspect(tmp_path / f"{name}.wav") for name in ("one", "two"))
    assert first.provenance.weights["sample"].note == "depthformer-large.tar"
    assert second.provenance.weights["sample"].note == "depthformer-large.safetensors"
    digests = [
        {stage: weights.digest for stage, weights in report.provenance.weights.items()}
        for report in (first, second)
    ]
    assert digests[0] == digests[1]
    audio = [soundfile.read(tmp_path / f"{name}.wav")[0] for name in ("one", "two")]
    np.testing.assert_array_equal(*audio)


def test_weights_converted_to_bfloat16_load_the_same_network(models):
    config = replace(TINY.fitted(Format()), activation_dtype="bfloat16")
    convert = ("models", "convert", "depthformer-base", "depthformer-base")
    loaded = []
    for _ in range(2):
        with closing_source("depthformer-base") as source:
            network, *_ = load_depthformer(config, source, None)
            loaded.append(parameter_arrays(network.module, published_name))
        if len(loaded) == 1:
            assert run(*convert, "--dtype", "bfloat16").code == 0
    archive_bytes = (models_folder() / "depthformer-base.tar").stat().st_size
    assert (models_folder() / "depthformer-base.safetensors").stat().st_size < archive_bytes
    assert loaded[0].keys() == loaded[1].keys()
    for name, array in loaded[0].items():
        np.testing.assert_array_equal(array, loaded[1][name])


def test_two_presets_together_make_the_audio_that_each_makes_alone(models, tmp_path):
    pipelines = [small(name, tmp_path) for name in ("base", "large")]

    def opened(path):
        setting = "decode.use=stages.toy:SineDecode"  # faster, and the pipelines still differ
        return soundstage.open(
            pipeline=path, settings=[setting], placements=["default=cpu"], prompts=["warm pads"]
        )

    alone = []
    for path in pipelines:
        with opened(path) as session:
            alone.append([next(session).audio for _ in range(2)])
    with opened(pipelines[0]) as one, opened(pipelines[1]) as other:
        together = [[next(one).audio, next(other).audio] for _ in range(2)]
    for which in range(2):
        for chunk in range(2):
            np.testing.assert_array_equal(together[chunk][which], alone[which][chunk])
    assert not np.array_equal(alone[0][0], alone[1][0])


def test_weights_of_another_size_are_refused_with_their_name(models, tmp_path):
    narrow = {name: array[..., : array.shape[-1] // 2] for name, array in transformer(2).items()}
    (models_folder() / "depthformer-base.tar").unlink()
    (models_folder() / "depthformer-base.tar").write_bytes(archive(narrow))
    done = generate(small("base", tmp_path), tmp_path / "never.wav")
    assert done.code == 5
    assert "depthformer-base.tar" in done.stderr
    assert "this size of the network needs" in done.stderr
    assert not (tmp_path / "never.wav").exists()


@pytest.mark.parametrize("preset", ["base", "large"])
def test_preset_without_its_models_names_them_and_the_command(home, preset):
    done = run("generate", "--preset", preset, "x", "--output", home / "never.wav")
    assert done.code == 5
    line = told(done.stderr)
    assert f"needs musiccoca, depthformer-{preset}, spectrostream" in line
    assert f"`soundstage models download {preset}`" in line


def test_pipeline_without_its_model_names_the_command(home):
    setting = ("--set", "sample.params.weights=depthformer-base")
    done = run("generate", "x", "--preset", "tiny", *setting, "--output", home / "never.wav")
    assert done.code == 5
    assert "`soundstage models download depthformer-base`" in told(done.stderr)


@pytest.mark.parametrize("name", ["base", "large"])
def test_preset_differs_from_tiny_only_where_its_header_says(name):
    tiny, preset = read_tables(preset_path("tiny")), read_tables(preset_path(name))
    header = preset_path(name).read_text("utf-8").split("\n\n")[0]
    assert "embed, quantize, sample and decode" in " ".join(header.split("\n# "))
    for tables in (tiny, preset):
        del tables["name"], tables["note"]
        for stage in OWN:
            tables["stage"][stage] = tables["stage"][stage]["inputs"]
    assert preset == tiny


def test_presets_name_the_command_that_fetches_their_models():
    done = run("presets")
    for name in ("base", "large"):
        assert run("check", name).code == 0
        assert f"needs `soundstage models download {name}`" in done.stdout


def test_list_shows_every_model_and_every_preset(home):
    text, listing = run("models", "list").stdout, json.loads(run("models", "list", "--json").stdout)
    assert [model["name"] for model in listing["models"]] == list(MODELS)
    assert listing["presets"] == {
        name: [f"depthformer-{size}", "spectrostream", "musiccoca"]
        for name, size in (
            ("base", "base"),
            ("base-gapless", "base"),
            ("base-inject", "base"),
            ("large", "large"),
        )
    } | {
        f"mrt2-{size}": ["spectrostream", f"magenta-rt2-{size}", "musiccoca"]
        for size in ("small", "base")
    }
    assert listing["terms"]["weights"] == "CC-BY 4.0"
    assert all(model["path"] is None for model in listing["models"])
    assert all(name in text for name in MODELS)
    (models_folder()).mkdir(parents=True)
    (models_folder() / "depthformer-base.tar").write_bytes(scraps()[BASE_TAR])
    listing = json.loads(run("models", "list", "--json").stdout)
    assert listing["models"][0]["path"] == str(models_folder() / "depthformer-base.tar")


def test_catalogue_has_no_hashes_and_sizes_but_reported_ones():
    files = [file for model in read_catalogue().models.values() for file in model.files]
    assert len(files) == 13
    assert {(file.sha256, file.bytes) for file in files} == {("", 0)}
    reported = [file for file in files if file.reported_bytes]
    assert {len(file.reported_sha256) for file in reported} == {8, 64}
    assert len(reported) == 11


def test_file_is_compared_with_what_third_parties_report():
    file = PublishedFile("a.bin", reported_sha256="5dd1cbc7", reported_bytes=20_000_000)
    assert file.compared_with_reports("5dd1cbc7ff", 20_000_000) == "as third parties report it"
    for other in (("5dd1cbc7ff", 1), ("00d1cbc7ff", 20_000_000)):
        line = file.compared_with_reports(*other)
        assert line.startswith("third parties report 20.0 MB, SHA-256 5dd1cbc7: compare")
    assert PublishedFile("a.bin").compared_with_reports("00", 1) == ""


@pytest.mark.parametrize(
    "arguments",
    [("download", "lrage"), ("verify", "lrage"), ("path", "lrage"), ("path", "../x")],
)
def test_unknown_model_name_is_refused_with_that_name(home, arguments):
    done = run("models", *arguments)
    assert done.code == 3
    assert arguments[1] in told(done.stderr)


def test_missing_model_has_no_path_and_fails_verification(home):
    assert "fetches it" in told(run("models", "path", "musiccoca").stderr)
    done = run("models", "verify", "musiccoca")
    assert done.code == 5
    assert done.stdout.count("FAIL musiccoca/") == 5


def test_file_without_a_record_is_verified_by_its_contents(home):
    models_folder().mkdir(parents=True)
    place = models_folder() / "depthformer-base.tar"
    place.write_bytes(scraps()[BASE_TAR])
    done = run("models", "verify", "depthformer-base")
    assert done.code == 0
    assert "not recorded and so not checked; 2 arrays" in done.stdout
    place.write_bytes(scraps()[BASE_TAR][:-20_000])
    assert run("models", "verify", "depthformer-base").code == 5


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference's stand-ins are not here")
def test_stand_ins_of_the_published_sizes_pass_verification(home):
    done = run("models", "download", "musiccoca", "--source", REFERENCE)
    assert done.code == 0, done.stderr
    assert run("models", "verify", "musiccoca").code == 0
    source = REFERENCE.parent / "depthformer" / "t5x_checkpoint.tar"
    assert run("models", "convert", source, home / "flat.safetensors").code == 0
    flat = load_file(REFERENCE.parent / "depthformer" / "weights.safetensors")
    for name, array in load_file(home / "flat.safetensors").items():
        np.testing.assert_array_equal(array, flat[f"target/{name}"])


def test_conversion_to_an_impossible_target_is_refused(home, tmp_path):
    (tmp_path / "a.tar").write_bytes(scraps()[BASE_TAR])
    done = run("models", "convert", tmp_path / "a.tar", tmp_path / "b.tar")
    assert done.code == 5
    assert "ends in .safetensors" in told(done.stderr)
    done = run("models", "convert", tmp_path / "a.tar", tmp_path / "nowhere" / "b.safetensors")
    assert done.code == 6


@pytest.mark.parametrize("command", ["list", "download", "verify", "convert", "path"])
def test_every_models_command_has_help_with_an_example(command):
    done = run("models", command, "--help")
    assert done.code == 0
    assert f"soundstage models {command}" in done.stdout.replace("Usage: soundstage models", "")
    assert command in run("models").stdout


MEASURE = """
import resource, sys
sys.path[:0] = [{root!r}]
from soundstage.apps.commands.models.convert import convert
from soundstage.progress import Silent
convert({small!r}, {out!r}, "float32", Silent())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
convert({large!r}, {out!r}, "float32", Silent())
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_conversion_of_an_archive_never_holds_two_copies(tmp_path):
    shape = {f"encoder/layers_{i}/mlp/wi_0/kernel": (512, 1024) for i in range(20)}
    shape |= {"token_embedder/embedding": (1000, 512), "decoder/logits_dense/kernel": (512, 1000)}
    numbers = np.random.default_rng(0)
    arrays = {name: numbers.standard_normal(s, dtype=np.float32) for name, s in shape.items()}
    total = sum(array.nbytes for array in arrays.values())
    (tmp_path / "large.tar").write_bytes(archive(arrays, rows=256))
    (tmp_path / "small.tar").write_bytes(scraps()[BASE_TAR])
    names = {name: str(tmp_path / f"{name}.tar") for name in ("large", "small")}
    script = MEASURE.format(root=str(ROOT), out=str(tmp_path / "out.safetensors"), **names)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert Path(tmp_path / "out.safetensors").stat().st_size > total
    assert int(done.stdout) < 0.5 * total
