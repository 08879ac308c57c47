"""The training loop: resumption, signals, budgets and errors, on a tiny problem."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import toy_training
from toy_training import SEED, batch, run_toy

from soundstage.training.checkpoint import checkpoints
from soundstage.training.loop import Budget, TrainingError, train
from soundstage.training.metrics import read_metrics
from soundstage.training.progress import SilentProgress

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "tests" / "support"
STEPS = 240


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    run = tmp_path_factory.mktemp("unbroken")
    return run_toy(run, STEPS)[0], run


def assert_same_run(state, run, unbroken):
    expected, unbroken_run = unbroken
    for left, right in zip(jax.tree.leaves(state), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(left, right)
    curves, straight = (read_metrics(r / "metrics.csv") for r in (run, unbroken_run))
    for curve in (curves, straight):
        curve.pop("seconds")
    assert curves == straight


def test_loss_falls(unbroken):
    curve = read_metrics(unbroken[1] / "metrics.csv")["loss"]
    assert np.mean(curve[-5:]) < 0.5 * np.mean(curve[:5])


def test_run_in_parts_equals_an_uninterrupted_run(tmp_path, unbroken):
    for steps in (1, 77, 78, STEPS):
        state, position = run_toy(tmp_path, steps)
        assert position.step == steps
    assert_same_run(state, tmp_path, unbroken)


class Shares(SilentProgress):
    """Keeps the shares of the budget that it is asked to show."""

    def __init__(self):
        self.shown = []

    def show(self, position, share, metrics):
        self.shown.append(share)


def test_pause_ends_a_part_and_progress_is_that_of_the_whole_run(tmp_path):
    shares = Shares()
    _, position = run_toy(tmp_path, 40, pause=20, progress=shares)
    assert position.step == 20
    assert max(shares.shown) <= 0.5
    _, position = run_toy(tmp_path, 40, pause=80, progress=shares)
    assert position.step == 40


def test_finished_run_writes_no_checkpoint(tmp_path):
    run_toy(tmp_path, 20)
    before = [(p, p.stat().st_mtime_ns) for p in checkpoints(tmp_path / "checkpoints")]
    _, position = run_toy(tmp_path, 20)
    assert position.step == 20
    assert [(p, p.stat().st_mtime_ns) for p in checkpoints(tmp_path / "checkpoints")] == before


def start_process(run, *how):
    command = [sys.executable, *how, toy_training.__file__, str(run), str(STEPS), "0.01"]
    path = os.pathsep.join(map(str, (ROOT, SUPPORT, SUPPORT / "graphs", SUPPORT / "stages")))
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, cwd=run)


def wait_for(condition, process):
    until = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)


@pytest.mark.slow
def test_killed_run_equals_an_uninterrupted_run(tmp_path, unbroken):
    folder, draw, killed = tmp_path / "checkpoints", random.Random(1), 0
    for _ in range(3):
        before = checkpoints(folder)[-1:]
        process = start_process(tmp_path)
        wait_for(lambda before=before: checkpoints(folder)[-1:] != before, process)
        time.sleep(draw.uniform(0, 0.05))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed
    state, position = run_toy(tmp_path, STEPS)
    assert position.step == STEPS
    assert_same_run(state, tmp_path, unbroken)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_run_with_a_checkpoint(tmp_path, unbroken, number):
    def interrupting(step):
        if step == 50:
            os.kill(os.getpid(), number)
        return batch(step)

    before = signal.getsignal(number)
    _, position = run_toy(tmp_path, STEPS, batches=interrupting)
    assert 48 <= position.step <= 52
    assert signal.getsignal(number) is before
    state, _ = run_toy(tmp_path, STEPS)
    assert_same_run(state, tmp_path, unbroken)


def test_signal_ends_a_command_with_a_checkpoint_and_its_exit_code(tmp_path, unbroken):
    script = (
        "import runpy, sys; from soundstage import interrupts; interrupts.listen()\n"
        "runpy.run_path(sys.argv.pop(1), run_name='__main__'); interrupts.leave_if_stopping()"
    )
    process = start_process(tmp_path, "-c", script)
    wait_for(lambda: checkpoints(tmp_path / "checkpoints"), process)
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM
    state, _ = run_toy(tmp_path, STEPS)
    assert_same_run(state, tmp_path, unbroken)


def test_minutes_end_a_run_and_add_up_over_resumptions(tmp_path):
    def slow_step(state, _):
        time.sleep(0.02)
        return state, {"loss": np.float32(1)}

    def train_for(minutes):
        budget = Budget(minutes=minutes)
        arguments = (np.zeros(1), slow_step, lambda step: step, budget, tmp_path)
        return train(*arguments, seed=0, progress=SilentProgress())[1]

    first, second = train_for(0.1 / 60), train_for(0.2 / 60)
    assert 0.1 <= first.seconds < second.seconds
    assert second.seconds < 1.0
    assert first.step < second.step


def test_nan_loss_stops_the_run_and_keeps_the_checkpoint(tmp_path):
    run_toy(tmp_path, 20)

    def broken(step):
        x, y = batch(step)
        return (x, y) if step < 23 else (x, np.full_like(y, np.nan))

    with pytest.raises(TrainingError, match="loss"):
        run_toy(tmp_path, 40, batches=broken)
    assert checkpoints(tmp_path / "checkpoints")[-1].name == "step_00000020"


def test_another_seed_is_refused(tmp_path):
    run_toy(tmp_path, 3)
    state = toy_training.start(toy_training.weights(), toy_training.PARAMS)
    with pytest.raises(TrainingError, match=f"started with seed {SEED}"):
        train(
            state,
            lambda s, b: (s, {}),
            batch,
            Budget(steps=4),
            tmp_path,
            seed=9,
            progress=SilentProgress(),
        )


def test_error_of_a_batch_ends_the_run(tmp_path):
    def failing(step):
        if step == 4:
            raise OSError("the disk is gone")
        return batch(step)

    with pytest.raises(OSError, match="the disk is gone"):
        run_toy(tmp_path, 10, batches=failing)


def test_budget_without_a_limit_is_refused():
    with pytest.raises(ValueError, match="steps or of minutes"):
        Budget()
    with pytest.raises(ValueError, match="above 0"):
        Budget(steps=0)
