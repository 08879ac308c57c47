"""The lines of a training run: speed and time left, once a step beside the first is measured."""

import io

from rich.console import Console

from soundstage.training import progress
from soundstage.training.checkpoint import Position
from soundstage.training.progress import ProgressBar


def test_speed_and_time_left_leave_out_the_first_step(monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    written = io.StringIO()
    bar = ProgressBar(Console(file=written, width=200))
    for step, seconds in ((1, 60.0), (2, 62.0), (11, 80.0)):
        bar.show(Position(step, seed=0, seconds=seconds), step / 101, {"loss": 3.25})
    assert written.getvalue().splitlines() == [
        "step 1  1.0 min  loss 3.25",
        "step 2  1.0 min  0.50 steps/s  at most 3.3 min left  loss 3.25",
        "step 11  1.3 min  0.50 steps/s  at most 3.0 min left  loss 3.25",
    ]
