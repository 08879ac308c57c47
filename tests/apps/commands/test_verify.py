"""`soundstage verify`: its report on a recording without anything to compare."""

import shutil
from pathlib import Path

import numpy as np
from command_line import run

GOLDEN = Path(__file__).parents[2] / "golden"


def test_recording_with_nothing_to_check_fails_and_says_so(tmp_path):
    folder = shutil.copytree(GOLDEN / "spectrostream", tmp_path / "recording")
    for path in folder.glob("*.npz"):
        path.unlink()
    np.savez(folder / "other.npz", a=np.zeros(2))
    done = run("verify", folder)
    assert done.code == 1
    assert done.stdout.endswith(": FAILED: nothing could be checked\n")
