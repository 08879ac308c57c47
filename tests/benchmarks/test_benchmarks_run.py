"""Every benchmark runs to its end, at a small size, and prints figures."""

import re
import runpy
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from librosa_programs import compile_librosa
from synthetic_tokens import synthetic_facts, synthetic_pieces

from soundstage.graph.format import Format
from soundstage.training.corpus.manifest import Piece, PieceEntry, write_manifest
from soundstage.training.corpus.music_facts import MusicFacts, facts_path
from soundstage.training.tokens.cache import write_cache

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# A part of the output of each, as a regular expression, and the arguments of a small run.
SMALL = {
    "beat": (r"\| 0\.\d+ \|", "--preset demo --prompts 1 --seconds 4"),
    "client_costs": (
        r"\| half open \| .* \| 200 \{",
        "--preset toy-inject --size 0.01 --only packed_session half_open many_objects",
    ),
    "continuation": (r"\| techno \| 120 \| 120 \|", "--preset demo --corpus {folder} --seconds 4"),
    "demo_examples": (r"10 examples", "--preset toy --seconds 2 --output {folder}/examples"),
    "depthformer_chunk": (r"real-time factor \d", "--size tiny --repeats 1 --products packed"),
    "packed/depthformer_forms": (r"int8 +-?\d+\.\d ms a frame", "--size tiny --rows 1 --repeats 1"),
    "on_gpu": (
        r'chunk tiny, 1: .*"same_bytes_again": true',
        "chunk --size tiny --repeats 1 --json {folder}/figures.json",
    ),
    "pipeline": (r"x real time", "--chunks 1"),
    "packed/products": (
        r"int8, 1 core\(s\) +\d+ us",
        "--shape 64 96 --rows 2 --megabytes 1 --repeats 1",
    ),
    "rows": (r"x the throughput", "--preset toy --rows 2 --chunks 1"),
    "serving": (
        r"engine overhead",
        "--preset toy --most 1 --chunks 2 --steers 1 --set format.chunk_s=0.4",
    ),
    "sessions": (r"\| 1 \| \d+ of \d", "--preset toy --sessions 1 --chunks 1"),
    "soak": (
        r'"attacks": [1-9](.|\n)*VERDICT: passed',
        "--preset toy --minutes 0.03 --listeners 1 --attack 0.01 --most-growth 400",
    ),
    "mrt2": (
        r"float32 +\d+\.\d ms a frame.*RTF(.|\n)*packed-bfloat16 +\d+\.\d ms",
        "--size tiny --forms float32 packed-bfloat16 --frames 2 --decoder none",
    ),
    "packed/mrt2_together": (
        r"\d chunks, \d+ late; .* key to sound \d+ ms",
        "--size tiny --dtype auto --convolutions direct --minutes 0.02 --most-late 999",
    ),
    "commands/start": (r"this version \| \d+\.\d\d s", "--preset toy --seconds 0.2 --turns 1"),
    "spectrostream_codec": (r"encode 0\.2 s", "--size tiny --frames 2 --seconds 0.2 --repeats 1"),
    "tick": (r"do no work, a tick +\d+\.\d+ ms CPU", "--ticks 20"),
    "uses_past": (r"right past \|", "--preset demo --tokens {folder}/tokens.arrow"),
}
# These hear music with librosa.
HEARD = ("beat", "continuation")
# These have tests of their own, or lend the others their parts; `.ci/accelerators` runs the second.
ELSEWHERE = {"attacks", "ahead_of_time", "demo_model", "everyday_prompts"}
# These start a cluster, of which a process has one.
RAY, FLEET = "clusters/ray_overhead", "fleet"


def write_corpus(folder):
    rate_hz, moments_s = 48_000, np.arange(0, 22, 0.5, np.float32)
    audio = np.zeros((22 * rate_hz, 2), np.float32)
    for start in (moments_s * rate_hz).astype(int):
        audio[start : start + 480] = 0.5
    path = folder / "a.flac"
    soundfile.write(path, audio, rate_hz)
    strokes, drums = np.ones(len(moments_s), np.float32), np.ones(len(moments_s), bool)
    nothing = np.zeros(0, np.float32)
    facts = MusicFacts(120.0, 4, 0.5, 0.5, moments_s, strokes, drums, nothing, np.zeros(0, np.int8))
    facts.write(facts_path(path))
    sound = ("C", "minor", 0.5, 0.5, (), ("techno",), (), 22.0, 4)
    write_manifest(
        folder, "heldout", [PieceEntry(Piece(path, 1, "heldout", "techno", 120, *sound), "")]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A file of tokens of two pieces, and a corpus of one piece with a steady stroke."""
    folder = tmp_path_factory.mktemp("benchmarks")
    write_corpus(folder)
    form = Format()
    pieces = synthetic_pieces(form, (0, 1), 600, 5)
    held_out = [replace(piece, split="heldout") for piece in pieces]
    write_cache(folder / "tokens.arrow", synthetic_facts(form), held_out)
    return folder


@contextmanager
def successful_exit():
    """Takes an exit with code 0 for an end; an exit with another code stays an exception."""
    try:
        yield
    except SystemExit as end:
        if end.code:
            raise


def test_every_benchmark_has_a_small_run():
    files = [
        file for room in ("", "packed/", "commands/") for file in BENCHMARKS.glob(f"{room}*.py")
    ]
    names = {path.relative_to(BENCHMARKS).with_suffix("").as_posix() for path in files}
    assert names == {*SMALL, *ELSEWHERE, FLEET}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_benchmark_prints_its_figures(name, folder, monkeypatch, capsys):
    if name in HEARD:
        pytest.importorskip("librosa", reason="librosa is not installed")
        compile_librosa()
    printed, arguments = SMALL[name]
    words = arguments.format(folder=folder).split()
    monkeypatch.setattr(sys, "argv", [f"benchmarks/{name}.py", *words])
    # Some end with an exit code, others just end.
    with successful_exit():
        runpy.run_path(str(BENCHMARKS / f"{name}.py"), run_name="__main__")
    assert re.search(printed, capsys.readouterr().out)


@pytest.mark.ray
@pytest.mark.slow
def test_pipelining_with_ray_is_measured():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    command = (sys.executable, BENCHMARKS / f"{RAY}.py", "--only", "pipelining", "--chunks", "1")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"ray +a chunk every .* ratio \d", done.stdout)


# A part of what each measurement of a fleet prints, and its arguments.
FLEETS = {
    "kills": (r"0 streams lost, 0 chunks wrong", "--engines 2 --streams 2 --kills 2 --seed 2"),
    "reload": (r"streams lost: 0 ", "--engines 1 --streams 2 --chunks 1 --reload"),
    "listeners": (r"wrong, missing or refused: 0 ", "--engines 1 --listeners 2 --for-s 0.5"),
}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("name", FLEETS)
def test_fleet_is_measured_and_loses_no_chunk(name):
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    printed, arguments = FLEETS[name]
    size = f"{arguments} --chunk-s 0.4 --seconds 0.05"
    command = (sys.executable, BENCHMARKS / f"{FLEET}.py", *size.split())
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(printed, done.stdout)


@pytest.mark.ray
def test_numbers_that_would_measure_something_else_are_refused():
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    command = (sys.executable, BENCHMARKS / f"{FLEET}.py", "--listeners", "0")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "argument --listeners: expected a number from 1, got '0'" in done.stderr
