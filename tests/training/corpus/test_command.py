"""The command that makes a corpus."""

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
    for word in (*options, "--soundfont", "Examples"):
        assert word in shown.stdout


def test_missing_soundfont_is_one_line_on_stderr(tmp_path):
    failed = run("--output", str(tmp_path), "--soundfont", str(tmp_path / "no.sf2"))
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("soundstage.training.corpus: soundfont ")
    assert "no.sf2: no such file" in failed.stderr
    assert list(tmp_path.iterdir()) == []
