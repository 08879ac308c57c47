"""Signals: the first one ends a command with its exit code, the second one at once."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
# A shell may have its background jobs ignore SIGINT. `arrive` sends a signal to this process, and
# waits as a C function does: no exception of a handler would end it.
START = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from soundstage import interrupts

def arrive(number, wait_s=60):
    os.kill(os.getpid(), number)
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        try:
            time.sleep(0.01)
        except BaseException as error:
            print("raised", repr(error), flush=True)
"""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def run(script, *arguments, cwd=ROOT, **settings):
    command = [sys.executable, "-c", START + script, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, **settings
    )


AT_IMPORT = """
module, number = sys.argv.pop(1), int(sys.argv.pop(1))

class Moment:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            arrive(number)

sys.meta_path.insert(0, Moment())
from soundstage.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "number", "preset"),
    [
        *(("typer", number, "toy") for number in CODES),
        ("jax", signal.SIGTERM, "tiny"),
        ("soundstage.stages.toy", signal.SIGINT, "toy"),
    ],
)
def test_signal_during_an_import_ends_the_command(tmp_path, module, number, preset):
    play = ("play", "pads", "--preset", preset, "--output", "out.wav")
    done = run(AT_IMPORT, module, int(number), *play, cwd=tmp_path)
    assert done.returncode == CODES[number], done.stderr
    assert done.stderr == "soundstage: stopped\n"
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("room", "number"), [("tokens", signal.SIGINT), ("depthformer", signal.SIGTERM)]
)
def test_signal_while_a_trainer_starts_ends_it(tmp_path, room, number):
    script = AT_IMPORT.replace(
        "from soundstage.__main__ import main\nmain()",
        f"import runpy\nrunpy.run_module('soundstage.training.{room}', run_name='__main__')",
    )
    done = run(script, "jax", int(number), cwd=tmp_path)
    assert done.returncode == CODES[number], done.stderr
    assert done.stderr == f"soundstage.training.{room}: stopped; the same command resumes\n"


def test_handlers_raise_nothing():
    done = run("""
interrupts.listen()
for name in ("SIGINT", "SIGTERM", "SIGHUP"):
    number = getattr(signal, name)
    print(signal.getsignal(number)(number, None))
""")
    assert done.stdout == "None\nNone\nNone\n"


def test_endings_run_in_turn_and_temporary_files_are_removed(tmp_path):
    (tmp_path / "half").write_text("half")
    done = run(
        """
import pathlib
interrupts.listen("the last line")
with (
    interrupts.temporary(pathlib.Path("half")),
    interrupts.at_stop(lambda: print("outer", flush=True)),
    interrupts.at_stop(lambda: 1 / 0),
    interrupts.at_stop(lambda: print("inner", flush=True)),
):
    with interrupts.at_stop(lambda: print("never")):
        pass
    arrive(signal.SIGTERM)
""",
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (143, "inner\nouter\n")
    assert done.stderr == "the last line\n"
    assert list(tmp_path.iterdir()) == []


def test_guarded_block_is_completed_first():
    done = run("""
interrupts.listen()
with interrupts.uninterrupted():
    arrive(signal.SIGINT, 0.3)
    print("whole", flush=True)
time.sleep(60)
""")
    assert (done.returncode, done.stdout) == (130, "whole\n")


@pytest.mark.parametrize("block", ["at_stop(lambda: time.sleep(60))", "orderly(print)"])
def test_second_signal_ends_at_once(tmp_path, block):
    (tmp_path / "half").write_text("half")
    script = f"""
import pathlib
interrupts.listen()
with interrupts.temporary(pathlib.Path("half")), interrupts.{block}:
    arrive(signal.SIGTERM, 0.3)
    arrive(signal.SIGINT)
"""
    done = run(script, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (143, "")
    assert list(tmp_path.iterdir()) == []


def test_orderly_block_ends_itself_and_the_exit_code_tells():
    done = run("""
import threading
woken = threading.Event()
interrupts.listen()
with interrupts.orderly(woken.set):
    os.kill(os.getpid(), signal.SIGTERM)
    woken.wait(60)
    print("saved", flush=True)
again = threading.Event()
with interrupts.orderly(again.set):  # a later block knows of the signal
    print(again.is_set(), flush=True)
interrupts.leave_if_stopping()
""")
    assert (done.returncode, done.stdout) == (143, "saved\nTrue\n")
    assert done.stderr == "soundstage: stopped\n"


def test_ignored_signals_stay_ignored():
    done = run("""
signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` does
interrupts.listen()
arrive(signal.SIGHUP, 0.3)
print("goes on")
""")
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_signal_of_a_forked_process_is_not_its_parents():
    done = run("""
interrupts.listen()
child = os.fork()
if child == 0:
    arrive(signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), interrupts.is_stopping())
""")
    assert done.stdout == "-15 False\n", done.stderr


def test_closed_standard_streams_take_nothing_in():
    done = run("""
os.close(2), os.close(1)
sys.stdout = sys.stderr = None
from soundstage.standard_streams import open_missing_streams, print_message
open_missing_streams()
file = open("/dev/null")
print_message("nobody reads this")
sys.exit(file.fileno())
""")
    assert done.returncode > 2
    assert (done.stdout, done.stderr) == ("", "")


def test_standard_error_that_nobody_reads_is_no_error():
    done = run("""
from soundstage.standard_streams import print_message
reader, writer = os.pipe()
os.close(reader), os.dup2(writer, 2)
print_message("nobody reads this")
print_message("nor this")
print("goes on")
""")
    assert (done.returncode, done.stdout) == (0, "goes on\n")
