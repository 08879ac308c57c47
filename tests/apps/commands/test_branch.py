"""`soundstage branch`: a branch equals the session resumed alone; the session is unchanged."""

import pytest
from command_line import run, told

import soundstage
from soundstage.audio.inspection import inspect
from soundstage.runners.sessions.files import read_session

PROMPTS = ["Warm pads!", "jazz trio:0.3 | drums:0.7", ""]
NAMES = ["01-warm-pads", "02-jazz-trio", "03"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A session of two chunks."""
    path = tmp_path_factory.mktemp("saved") / "evening.session"
    arguments = ("bells", "--preset", "toy", "--duration", 4, "--seed", 7, "-q")
    done = run("generate", *arguments, "-o", path.with_suffix(".wav"), "--save", path)
    assert done.code == 0, done.stderr
    return path


def branch(saved, folder, *options, prompts=PROMPTS):
    prompt_options = [word for prompt in prompts for word in ("--prompt", prompt)]
    return run("branch", saved, *prompt_options, "--output-dir", folder, *options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_branch_has_the_bytes_of_the_session_resumed_alone(saved, tmp_path):
    before = saved.read_bytes()
    steer = ("--seed", 3, "--temperature", 0.5, "--top-k", 9)
    done = branch(saved, tmp_path / "out", "--duration", 3, "--save", *steer)
    assert done.code == 0, done.stderr
    assert names(tmp_path / "out") == sorted(f"{n}{s}" for n in NAMES for s in (".wav", ".session"))
    for prompts, name in zip(PROMPTS, NAMES, strict=True):
        alone = ("-o", tmp_path / "x.wav", "--save", tmp_path / "x.session", *steer, "-q")
        resume = ("--resume", saved, "--duration", 3)
        assert run("generate", *prompts.split(" | "), *resume, *alone).code == 0
        for suffix in (".wav", ".session"):
            content = (tmp_path / "out" / f"{name}{suffix}").read_bytes()
            assert content == (tmp_path / f"x{suffix}").read_bytes(), name
    assert saved.read_bytes() == before


def test_branches_differ_and_hold_their_provenance(saved, tmp_path):
    assert branch(saved, tmp_path / "out", "--duration", 2.5).code == 0
    facts_of_each = [inspect(tmp_path / "out" / f"{name}.wav") for name in NAMES]
    assert [facts.seconds for facts in facts_of_each] == [2.5] * 3
    assert [len(facts.provenance.prompts) for facts in facts_of_each] == [1, 2, 1]
    assert len({(tmp_path / "out" / f"{name}.wav").read_bytes() for name in NAMES}) == 3


def test_saved_branch_continues_where_its_file_ends(saved, tmp_path):
    assert branch(saved, tmp_path, "--duration", 4, "--save", prompts=["acid"]).code == 0
    with soundstage.resume(tmp_path / "01-acid.session") as session:
        assert session.state.chunks == (4,)
        assert session.controls[0]["texts"] == ["acid"]
        assert session.controls[0]["seed"] == 7
        assert next(session).tick.chunks == (4,)


def test_row_chooses_one_of_several_streams(tmp_path):
    rows = [{"prompts": ["pads"], "seed": seed} for seed in (1, 2)]
    with soundstage.open(preset="toy", rows=rows) as session:
        next(session)
        session.save(tmp_path / "two.session")
    done = branch(tmp_path / "two.session", tmp_path / "out", "--duration", 2)
    assert done.code == 3
    assert "holds 2 streams" in told(done.stderr)
    assert "holds 2 stream(s)" in told(
        branch(tmp_path / "two.session", tmp_path, "--row", 2).stderr
    )
    contents = []
    for row in (0, 1):
        folder = tmp_path / f"row{row}"
        options = ("--duration", 2, "--row", row, "--save")
        assert branch(tmp_path / "two.session", folder, *options, prompts=["acid"]).code == 0
        with soundstage.resume(folder / "01-acid.session") as session:
            assert session.controls[0]["seed"] == row + 1
            assert session.state.streams == (str(row),)
        contents.append((folder / "01-acid.wav").read_bytes())
    assert contents[0] != contents[1]


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        (["--duration", "0"], 3, "duration 0"),
        (["--duration", "nan"], 3, "duration nan"),
        (["--temperature", "-1"], 3, "temperature"),
        (["--seed", "-1"], 3, "seed"),
        (["--prompt", "pads:nan"], 3, "weight nan"),
        (["--prompt", "pads:0 | jazz:0"], 3, "zero"),
        (["--row", "1"], 3, "holds 1 stream"),
        (["--place", "decode=gpu:7"], 4, "gpu"),
        (["--place", "decod=cpu"], 4, "no stage named 'decod'"),
        (["--bogus"], 2, "No such option"),
    ],
)
def test_invalid_option_is_refused_and_leaves_no_file(saved, tmp_path, options, code, why):
    before = saved.read_bytes()
    done = branch(saved, tmp_path / "out", "--save", *options)
    assert done.code == code, done.stderr
    assert why in told(done.stderr)
    assert names(tmp_path) == []
    assert saved.read_bytes() == before


def test_branch_without_a_prompt_is_refused(saved, tmp_path):
    done = branch(saved, tmp_path / "out", prompts=[])
    assert done.code == 2
    assert "--prompt" in told(done.stderr)
    assert names(tmp_path) == []


def test_file_that_is_not_a_session_is_refused(tmp_path):
    (tmp_path / "junk.session").write_bytes(b"what is this" * 99)
    lines = ["junk.session: this is not a session file", "No such file"]
    for name, why in zip(["junk.session", "none.session"], lines, strict=True):
        done = branch(tmp_path / name, tmp_path / "out")
        assert done.code == 3
        assert why in told(done.stderr)
    assert names(tmp_path) == ["junk.session"]


def test_folder_that_cannot_be_made_is_refused(saved, tmp_path):
    (tmp_path / "file").write_bytes(b"a file")
    for folder, why in [("file", "is not a folder"), ("file/below", "Not a directory")]:
        done = branch(saved, tmp_path / folder)
        assert done.code == 6
        assert why in told(done.stderr)
    assert names(tmp_path) == ["file"]


def test_missing_folders_above_the_output_folder_are_made(saved, tmp_path):
    done = branch(saved, tmp_path / "a" / "b", "--duration", 2, prompts=["acid"])
    assert done.code == 0, done.stderr
    assert names(tmp_path / "a" / "b") == ["01-acid.wav"]


def test_branch_that_would_overwrite_the_session_is_refused(saved, tmp_path):
    session = tmp_path / "01-acid.session"
    session.write_bytes(saved.read_bytes())
    done = branch(session, tmp_path, "--save", prompts=["acid"])
    assert done.code == 2
    assert "is the session itself" in told(done.stderr)
    assert session.read_bytes() == saved.read_bytes()
    assert names(tmp_path) == ["01-acid.session"]


@pytest.mark.parametrize(
    ("decode", "why"),
    [("RaisingDecode", "'decode' failed at chunk 0"), ("NanDecode", "not a finite number")],
)
def test_stage_that_fails_leaves_old_files_unchanged(tmp_path, decode, why):
    settings = [f"decode.use=broken_stages:{decode}"]
    session = tmp_path / "broken.session"
    allow = ["broken_stages"]
    with soundstage.open(preset="toy", settings=settings, allow=allow) as opened:
        opened.save(session)
    assert read_session(session).spec.stage["decode"].use.endswith(decode)
    old = tmp_path / "old" / "01-warm-pads.wav"
    old.parent.mkdir()
    old.write_bytes(b"old")
    for folder in (old.parent, tmp_path / "new"):
        done = branch(session, folder, "--allow", "broken_stages", "--save", "-q")
        assert done.code == 7
        assert why in told(done.stderr)
    assert names(tmp_path) == ["broken.session", "old"]
    assert names(old.parent) == [old.name]
    assert old.read_bytes() == b"old"
