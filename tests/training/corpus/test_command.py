import subprocess
import sys


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "soundstage.training.corpus", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_shows_every_option_and_examples():
    shown = run("--help")
    assert shown.returncode == 0
    options = ("--output", "--minutes", "--seed", "--jobs", "--split", "--piece-s", "--format")
    for wanted in (*options, "--soundfont", "Examples"):
        assert wanted in shown.stdout


def test_a_missing_soundfont_is_told_in_one_line(tmp_path):
    failed = run("--output", str(tmp_path), "--soundfont", str(tmp_path / "no.sf2"))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "no.sf2: there is no such file" in failed.stderr
    assert list(tmp_path.iterdir()) == []
