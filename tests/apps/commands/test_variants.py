"""`soundstage variants`: a file for every row, an exact manifest, and a page that plays them."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import trace_events
from command_line import run, told

from soundstage.audio.inspection import inspect
from soundstage.audio.provenance import TextPrompt

HOSTILE = '<script>alert("1")</script> & $cards'


def make(folder, *arguments, code=0):
    options = ("--preset", "toy", "--duration", 2, "--output-dir", folder)
    done = run("variants", *options, *arguments)
    assert done.code == code, done.stderr
    return done


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def sounds(folder):
    return [name for name in names(folder) if Path(name).suffix not in (".json", ".html")]


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text("utf-8"))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def pads(tmp_path_factory):
    """Two prompts times three seeds, in batches of 2, 2 and 2."""
    folder = tmp_path_factory.mktemp("pads") / "new" / "out"
    options = ("warm pads", "--prompt", HOSTILE, "--seeds", "0-1,7", "--batch", 2)
    make(folder, *options, "--temperature", 0.9, "--trace", folder / "t.json", "--quiet")
    return folder


@pytest.fixture
def copy(pads, tmp_path):
    """A copy of the folder, to be changed."""
    shutil.copytree(pads, tmp_path / "out")
    return tmp_path / "out"


# ---- files


def test_every_prompt_with_every_seed_is_a_file(pads):
    slug = "script-alert-1-script-cards"
    assert sounds(pads) == [
        "01-warm-pads-seed0.wav",
        "02-warm-pads-seed1.wav",
        "03-warm-pads-seed7.wav",
        f"04-{slug}-seed0.wav",
        f"05-{slug}-seed1.wav",
        f"06-{slug}-seed7.wav",
    ]
    assert names(pads)[-3:] == ["index.html", "manifest.json", "t.json"]
    audio = {digest(pads / name) for name in sounds(pads)}
    assert len(audio) == 6, "rows are independent"


@pytest.mark.parametrize(("file", "prompt", "seed"), [(0, "warm pads", 0), (5, HOSTILE, 7)])
def test_variant_has_the_bytes_that_generate_makes(pads, tmp_path, file, prompt, seed):
    alone = tmp_path / "alone.wav"
    options = ("--preset", "toy", "--duration", 2, "--seed", seed, "--temperature", 0.9)
    assert run("generate", prompt, *options, "-o", alone).code == 0
    assert alone.read_bytes() == (pads / sounds(pads)[file]).read_bytes()


def test_manifest_holds_the_facts_of_every_file(pads):
    content = manifest(pads)
    assert [entry["file"] for entry in content["variants"]] == sounds(pads)
    assert content["pending"] == content["earlier"] == []
    for entry in content["variants"]:
        facts = inspect(pads / entry["file"])
        provenance = facts.provenance
        assert entry["sha256"] == digest(pads / entry["file"])
        assert entry["seconds"] == facts.seconds == 2
        assert (entry["peak_dbfs"], entry["rms_dbfs"]) == (facts.peak_dbfs, facts.rms_dbfs)
        assert tuple(TextPrompt(**prompt) for prompt in entry["prompts"]) == provenance.prompts
        assert (entry["seed"],) == provenance.seeds
        assert entry["controls"] == provenance.controls
        assert entry["controls"]["temperature"] == 0.9
        assert entry["graph"] == provenance.graph_hash
        assert entry["weights"].keys() == provenance.weights.keys() == {"embed", "quantize"}


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_every_format_has_the_exact_duration(tmp_path, suffix):
    make(tmp_path / "out", "--prompt", "pads", "--format", suffix, "--duration", 0.5)
    (name,) = sounds(tmp_path / "out")
    assert name == f"01-pads-seed0.{suffix}"
    facts = inspect(tmp_path / "out" / name)
    assert (facts.container, facts.seconds) == (suffix.upper(), 0.5)


def test_list_may_blend_prompts_and_set_controls_of_each_row(tmp_path):
    soundfile.write(tmp_path / "ref.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
    (tmp_path / "a.toml").write_text(
        'variant = [{ name = "Dawn", prompts = ["warm pads", "jazz:0.5"], audio = "ref.wav:0.25", '
        'temperature = 0.5 }, { prompts = "strings", seed = 5 }]'
    )
    done = make(tmp_path / "out", "--list", tmp_path / "a.toml", "--seeds", "1-2", "--top-k", 9)
    assert "3 x 2 s of audio" in done.stderr
    dawn, again, strings = manifest(tmp_path / "out")["variants"]
    assert sounds(tmp_path / "out")[1:] == ["02-dawn-seed2.wav", "03-strings-seed5.wav"]
    assert [dawn["seed"], again["seed"], strings["seed"]] == [1, 2, 5]
    assert [prompt.get("weight") for prompt in dawn["prompts"]] == [1.0, 0.5, 0.25]
    assert dawn["prompts"][2]["audio"] == "ref.wav"
    assert [dawn["controls"]["temperature"], strings["controls"]["temperature"]] == [0.5, 1.1]
    assert dawn["controls"]["top_k"] == strings["controls"]["top_k"] == 9
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert page.count('<h2 title="Dawn">Dawn</h2>') == 2
    assert "warm pads + jazz (0.5) + \N{BEAMED EIGHTH NOTES} ref.wav (0.25)" in page


def test_timeline_covers_all_batches(pads):
    events = trace_events.read(pads / "t.json")
    assert len(trace_events.of(events, "b")) == 3
    assert not [e for e in trace_events.of(events, "s") if e["cat"] == "feedback"]


# ---- later runs in the same folder


def test_finished_variants_are_kept_when_seeds_are_added(copy):
    before = {name: (copy / name).stat().st_mtime_ns for name in sounds(copy)}
    same = ("--prompt", "warm pads", "--prompt", HOSTILE, "--temperature", 0.9, "--seeds")
    done = make(copy, *same, "0-1,7,8")
    assert "2 x 2 s of audio" in done.stderr
    assert "6 finished earlier" in done.stderr
    after = {name: (copy / name).stat().st_mtime_ns for name in sounds(copy)}
    assert after.items() >= before.items()
    assert set(after) - set(before) == {
        "04-warm-pads-seed8.wav",
        "08-script-alert-1-script-cards-seed8.wav",
    }
    seeds = [entry["seed"] for entry in manifest(copy)["variants"]]
    assert seeds == [0, 1, 7, 8] * 2


def test_damaged_missing_and_changed_variants_are_made_again(copy):
    first, second, third = sounds(copy)[:3]
    whole = {name: (copy / name).read_bytes() for name in (first, second)}
    (copy / first).write_bytes(whole[first][:-2])
    (copy / second).unlink()
    same = ("--prompt", "warm pads", "--temperature", 0.9, "--seeds", "0-1,7")
    done = make(copy, *same)
    assert "2 x 2 s of audio" in done.stderr
    assert {name: (copy / name).read_bytes() for name in whole} == whole
    changed = make(copy, *same[:2], "--temperature", 0.8, "--seeds", "7")
    assert "1 x 2 s of audio" in changed.stderr
    assert (copy / third).exists()
    # Variants that this run did not request are kept for the next one.
    assert "finished earlier" in make(copy, *same).stderr


def test_again_makes_every_file_once_more_with_the_same_bytes(copy):
    before = {name: (copy / name).read_bytes() for name in names(copy)}
    (copy / "index.html").unlink()
    same = ("--prompt", "warm pads", "--prompt", HOSTILE, "--temperature", 0.9)
    done = make(copy, *same, "--seeds", "0-1,7", "--again", "--batch", 6)
    assert "6 x 2 s of audio" in done.stderr
    assert "finished earlier" not in done.stderr
    assert {name: (copy / name).read_bytes() for name in before} == before


def test_foreign_files_are_never_changed(copy):
    (copy / "notes.txt").write_text("mine")
    (copy / "02-new-seed1.wav").write_text("mine too")
    refused = make(copy, "--prompt", "new", "--seeds", "0-1", code=6)
    assert "was not made by `soundstage variants`" in told(refused.stderr)
    make(copy, "--prompt", "new", "--seeds", "0")
    (copy / "index.html").write_text("my own page")
    assert "index.html" in told(make(copy, "--prompt", "new", code=6).stderr)
    assert (copy / "notes.txt").read_text() == "mine"
    assert (copy / "02-new-seed1.wav").read_text() == "mine too"


@pytest.mark.parametrize(("name", "code"), [("index.html", 6), ("manifest.json", 3)])
def test_foreign_page_or_manifest_is_never_replaced(tmp_path, name, code):
    (tmp_path / name).write_text("mine")
    assert str(tmp_path / name) in told(make(tmp_path, "--prompt", "pads", code=code).stderr)
    assert names(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "mine"


# ---- errors


def test_all_problems_of_a_list_are_printed_and_no_file_is_made(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("prompts,audio,temperature,sead\npads,,-1,\npads,no.wav,1,\n,,hot,\npads,,1,\n")
    done = make(tmp_path / "out", "--list", path, code=3)
    lines = [line.removeprefix(f"soundstage: {path}: ") for line in done.stderr.splitlines()]
    assert len(lines) == 4
    assert lines[0].startswith("column 'sead': unknown column; did you mean 'seed'?")
    assert lines[1].startswith("line 2: temperature: -1 is outside the range")
    assert lines[2].startswith("line 4: temperature: expected a number, got 'hot'")
    assert lines[3].startswith("line 3: ")
    assert "no.wav" in lines[3]
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--seeds", "5-1"], 3, "runs backwards"),
        (["--seeds", "0-999", "--prompt", "b"], 3, "2000 variants are more than 1000"),
        (["--prompt", "pads"], 2, "is given twice"),
        (["--batch", 0], 2, "at least 1"),
        (["--duration", 0], 3, "above 0"),
        (["--temperature", -1], 3, "temperature"),
        (["--format", "aiff"], 2, "aiff"),
        (["--list", "a.toml"], 2, "--list and --prompt exclude each other"),
        (["--preset", "none"], 4, "none"),
        (["--place", "decode=gpu:99"], 4, "placement"),
    ],
)
def test_invalid_option_is_one_line_and_leaves_no_file(tmp_path, arguments, code, why):
    done = make(tmp_path / "a" / "out", "--prompt", "pads", *arguments, code=code)
    assert why in told(done.stderr)
    assert names(tmp_path) == []


def test_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "is a file" in told(make(tmp_path / "out", "--prompt", "pads", code=6).stderr)


FAILING = ("--set", "decode.use=broken_stages:FailThirdCall", "--allow", "broken_stages")


def test_finished_batches_stay_when_a_later_batch_fails(tmp_path):
    options = ("--prompt", "pads", "--seeds", "0-2", "--batch", 1)
    # The first call warms up, the second makes the first batch.
    done = make(tmp_path / "out", *options, *FAILING, code=7)
    assert "third call" in done.stderr.splitlines()[-1]
    assert names(tmp_path / "out") == ["01-pads-seed0.wav", "index.html", "manifest.json"]
    content = manifest(tmp_path / "out")
    assert [entry["file"] for entry in content["variants"]] == ["01-pads-seed0.wav"]
    assert content["pending"] == ["02-pads-seed1.wav", "03-pads-seed2.wav"]
    assert (tmp_path / "out" / "index.html").read_text("utf-8").count("<article") == 1


def test_first_batch_that_fails_leaves_no_file(tmp_path):
    swap = ("--set", "decode.use=broken_stages:NanDecode", "--allow", "broken_stages")
    make(tmp_path / "out", "--prompt", "pads", *swap, code=7)
    assert names(tmp_path) == []


ROOT = Path(__file__).parents[3]


def test_ctrl_c_leaves_whole_files_that_the_next_run_keeps(tmp_path):
    # A shell may have its background jobs ignore SIGINT.
    main = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from soundstage.apps.commands.main import main; main()"
    )
    folder = tmp_path / "out"
    options = ["--preset", "toy", "--prompt", "pads", "--duration", "30", "--batch", "2"]
    command = [sys.executable, "-c", main, "variants", *options, "--output-dir", str(folder)]
    player = subprocess.Popen([*command, "--seeds", "0-199"], cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (folder / "manifest.json").exists() or len(manifest(folder)["variants"]) < 4:
        assert player.poll() is None, player.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    player.send_signal(signal.SIGINT)
    messages = player.communicate(timeout=30)[1].decode()
    assert player.returncode == 130
    assert messages.splitlines()[-1] == "soundstage: stopped"
    assert not [name for name in names(folder) if name.startswith(".")]
    assert all(inspect(folder / name).seconds == 30 for name in sounds(folder))
    finished = manifest(folder)["variants"]
    assert all(entry["sha256"] == digest(folder / entry["file"]) for entry in finished)
    done = run("variants", *options, "--output-dir", folder, "--seeds", "0-3")
    assert done.code == 0
    assert "4 finished earlier" in done.stderr
