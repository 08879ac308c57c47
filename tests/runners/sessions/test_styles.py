"""Style vectors: embedded by a session, given as prompts, and refused if they are none."""

import io
import pickle
from copy import deepcopy

import numpy as np
import pytest
import soundfile

import soundstage
from soundstage import Audio, ControlError, Style
from soundstage.errors import InputError
from soundstage.graph.check import build
from soundstage.graph.pipeline_file import read_tables
from soundstage.graph.spec import parse
from soundstage.presets.preset import preset_path
from soundstage.runners.sessions.prompts import expand_prompts
from soundstage.runners.sessions.style_vectors import read_vector

SETTINGS = ("format.chunk_s=0.2", "format.context_s=0.4")
TOY = soundstage.load("toy", settings=SETTINGS)
VECTOR = np.linspace(-0.1, 0.1, 768, dtype=np.float32)


@pytest.fixture(scope="module")
def toy():
    with soundstage.open("toy", settings=SETTINGS, prompts=["pads"], seed=7) as session:
        yield session


def first(toy, *prompts):
    return next(soundstage.Session(toy.runner, [{"prompts": prompts, "seed": 7}])).audio.tobytes()


def test_embed_returns_a_vector_and_leaves_the_session_as_it_was(toy):
    before = toy.controls
    pads, jazz = toy.embed("pads"), toy.embed("jazz")
    assert pads.shape == (768,)
    assert pads.dtype == np.float32
    assert np.linalg.norm(pads) == pytest.approx(1, abs=1e-6)
    assert not np.array_equal(pads, jazz)
    np.testing.assert_array_equal(toy.embed(("pads", 0.3)), pads)
    pads[:] = 0
    assert toy.embed("pads").any()
    assert toy.controls == before


def test_embed_of_audio_is_the_mean_of_its_clips(toy, tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * 16_000)
    for name, part in (("all", noise), ("one", noise[:160_000]), ("two", noise[160_000:])):
        soundfile.write(tmp_path / f"{name}.wav", part, 16_000, subtype="FLOAT")
    both, one, two = (toy.embed(Audio(tmp_path / f"{name}.wav")) for name in ("all", "one", "two"))
    np.testing.assert_allclose(both, (one + two) / 2, atol=1e-6)


def test_vector_of_a_text_makes_the_music_of_the_text(toy):
    pads = toy.embed("pads")
    same = [first(toy, prompt) for prompt in ("pads", pads, (pads, 0.2), Style(pads, 3.0))]
    assert len(set(same)) == 1
    assert first(toy, "pads", (VECTOR, 0.0)) == same[0]
    assert first(toy, "jazz") != same[0]


def test_blend_of_prompts_is_arithmetic_on_their_vectors(toy):
    pads, jazz = toy.embed("pads"), toy.embed("jazz")
    session = soundstage.Session(toy.runner, [{"prompts": [("pads", 1.0), (jazz, 3.0)]}])
    row = session.controls[0]
    assert row["texts"] == ["pads"]
    np.testing.assert_array_equal(row["styles"], jazz[None])
    np.testing.assert_allclose(
        session.runner.ask("embed", row)["embedding"][0], 0.25 * pads + 0.75 * jazz, atol=1e-6
    )
    session.steer(prompts=["drums"])
    assert session.controls[0]["styles"].shape == (0, 768)


def test_saved_style_is_a_prompt_and_survives_a_saved_session(toy, tmp_path):
    np.save(tmp_path / "blend.npy", VECTOR.astype(np.float64))
    session = soundstage.Session(toy.runner, [{"prompts": [Style(tmp_path / "blend.npy")]}])
    np.testing.assert_array_equal(session.controls[0]["styles"], VECTOR[None])
    session.save(tmp_path / "set.session")
    expected = next(session).audio
    with soundstage.resume(tmp_path / "set.session") as resumed:
        np.testing.assert_array_equal(next(resumed).audio, expected)


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        (VECTOR[:5], r"the shape \[768\], got \[5\]"),
        (np.zeros((48_000, 2), np.float32), "audio is given as Audio"),
        (np.full(768, np.nan, np.float32), "finite numbers"),
        (np.full(768, 1e300), "finite numbers"),
        (np.zeros(768, int), "floats, got int64"),
        (np.zeros(768, complex), "floats, got complex128"),
        (np.full(768, 2000.0), r"outside the range \[-1000, 1000\]"),
    ],
)
def test_array_that_is_no_style_vector_is_refused_in_words(toy, vector, words):
    with pytest.raises(ControlError, match=words):
        toy.embed(vector)


def test_one_vector_in_place_of_a_list_of_prompts_is_refused(toy):
    with pytest.raises(ControlError, match=r"write \[vector\]"):
        toy.steer(prompts=VECTOR)


class Evil:
    """Leaves a file behind if it is ever unpickled."""

    def __reduce__(self):
        return open, ("unpickled", "w")


def test_files_that_hold_no_style_vector_are_refused_and_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    header, several = io.BytesIO(), io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
    np.lib.format.write_array_header_1_0(header, shape)
    np.savez(several, VECTOR)
    whole = io.BytesIO()
    np.save(whole, VECTOR)
    objects = io.BytesIO()
    np.save(objects, np.array([Evil()] * 768), allow_pickle=True)
    files = {
        "pickle": pickle.dumps(Evil()),
        "objects": objects.getvalue(),
        "several": several.getvalue(),
        "huge": header.getvalue(),
        "cut": whole.getvalue()[:-1],
        "empty": b"",
        "damaged": whole.getvalue().replace(b"}", b"("),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_vector(tmp_path / name, 768)
    with pytest.raises(InputError, match="No such file"):
        read_vector(tmp_path / "missing", 768)
    assert not (tmp_path / "unpickled").exists()


def test_pipeline_without_the_control_takes_texts_and_refuses_vectors():
    tables = deepcopy(read_tables(preset_path("toy")))
    for name in ("styles", "style_weights"):
        del tables["inputs"][name], tables["stage"]["embed"]["inputs"][name]
    graph = build(parse(tables))
    assert "styles" not in expand_prompts(["pads"], graph)
    with pytest.raises(ControlError, match="takes no style vectors"):
        expand_prompts([VECTOR], graph)
    assert "styles" in expand_prompts(["pads"], TOY)
