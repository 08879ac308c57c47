"""A command in a forked process does what it does in a new one."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from forking import can_fork, forked_commands

if not can_fork():
    pytest.skip("forks commands on Linux alone: this system is another", allow_module_level=True)

from fork_server import refuse_threads

PATIENCE_S = 60
# Whether a process was forked: each such one has a session of its own.
FORKED = "import os; print(os.getsid(0) == os.getpid())"
STATE = """
import atexit, gc, json, logging, os, signal, sys, threading
names = ("INT", "TERM", "HUP", "QUIT", "PIPE", "CHLD")
streams = (sys.stdin, sys.stdout, sys.stderr)
print(json.dumps({
    "arguments": sys.argv,
    "path": sys.path,
    "executable": sys.executable,
    "flags": str(sys.flags),
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "umask": os.umask(0),
    "signals": [str(signal.getsignal(getattr(signal, f"SIG{name}"))) for name in names],
    "mask": [str(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "wakeup": signal.set_wakeup_fd(-1),
    "streams": [
        (each.fileno(), each.name, each.encoding, each.errors, each.line_buffering, each.isatty())
        for each in streams
    ],
    "descriptors": sorted(os.listdir("/proc/self/fd"), key=int)[:-1],
    "globals": sorted(name for name in globals() if name not in ("__cached__", "__file__")),
    "file": globals().get("__file__"),
    "main": sys.modules["__main__"].__dict__ is globals(),
    "garbage": gc.get_threshold(),
    "threads": [each.name for each in threading.enumerate()],
    "handlers": len(logging.getLogger().handlers),
}))
"""
BACKENDS = """
import os
from jax._src import xla_bridge
print(len(os.listdir(f"/proc/{os.getppid()}/task")), xla_bridge.backends_are_initialized())
"""


@pytest.fixture(scope="module")
def commands():
    with forked_commands() as folder:
        yield folder


@pytest.fixture
def settings(commands, tmp_path):
    """What subprocess.run gets for a command that finds the folder of `commands` in PATH."""
    path = os.pathsep.join([str(commands), str(Path(sys.executable).parent), os.environ["PATH"]])
    # The folders of the server's own, without which a command gets a new process.
    folders = os.pathsep.join(filter(None, ["lib", os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PATH": path, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": folders}
    return {"cwd": tmp_path, "env": environment}


def run(arguments, settings, text=""):
    """Runs a command with `text` as its standard input."""
    return subprocess.run(
        arguments,
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        **settings,
    )


def both(arguments, settings, text=""):
    """Runs Python with the arguments in a forked process and in a new one."""
    results = [run([python, *arguments], settings, text) for python in ("python", sys.executable)]
    return [(each.returncode, each.stdout, each.stderr) for each in results]


def is_gone(process):
    """Waits until no process has this number."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if not Path(f"/proc/{process}").exists():
            return True
        time.sleep(0.01)
    return False


def test_command_has_a_forked_process(settings):
    assert run(["python", "-c", FORKED], settings).stdout == "True\n"


@pytest.mark.parametrize("how", ["-c", "-", "here/state.py"])
def test_process_is_in_the_state_of_a_new_one(how, settings):
    script = settings["cwd"] / "here" / "state.py"
    script.parent.mkdir()
    script.write_text(STATE)
    arguments = {"-c": ["-c", STATE], "-": ["-"]}.get(how, [how])
    forked, new = both([*arguments, "one", "-t"], settings, STATE if how == "-" else "")
    assert json.loads(forked[1]) == json.loads(new[1])
    assert forked[::2] == new[::2] == (0, "")


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.exit(300)",
        "import sys; sys.exit('an error')",
        "import sys; sys.exit()",
        "import os; os._exit(5)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import atexit; atexit.register(print, 'the end'); print('first'); raise SystemExit(4)",
        "import threading as t, time; t.Thread(target=lambda: [time.sleep(0.1), print(1)]).start()",
        "import sys; print(sys.stdin.read().upper()); print('error', file=sys.stderr)",
        "file = open('left.txt', 'w'); file.write('written'); print(file.closed)",
        "import os; print(os.read(0, 9)); os.close(1)",
        "class Loud:\n    def __del__(self): print('deleted')\nloud = Loud()",
    ],
)
def test_command_ends_as_a_new_process_does(code, settings):
    forked, new = both(["-c", code], settings, "some text")
    assert forked == new
    for left in settings["cwd"].glob("left.txt"):
        assert left.read_text() == "written"


def test_exception_is_printed_and_is_exit_code_1(settings):
    (code, stdout, stderr), new = both(["-c", "1 / 0"], settings)
    assert (code, stdout) == new[:2] == (1, "")
    assert stderr.endswith("ZeroDivisionError: division by zero\n")


def test_standard_streams_are_those_of_the_shell(settings):
    line = "echo bells | python -c 'print(input())' | python -c 'print(input() * 2)' > twice.txt"
    assert run(["bash", "-c", line], settings).returncode == 0
    assert (settings["cwd"] / "twice.txt").read_text() == "bellsbells\n"


def test_umask_and_ignored_signals_are_those_of_the_shell(settings):
    code = "import os, signal; print(os.umask(0), signal.getsignal(signal.SIGINT).name)"
    line = f"umask 077; trap '' INT; python -c '{code}'"
    assert run(["bash", "-c", line], settings).stdout == "63 SIG_IGN\n"


def test_package_in_pythonpath_is_found_however_new(settings):
    for folder in ("lib", "other"):
        code = f"import fresh_{folder}; {FORKED}"
        assert "ModuleNotFoundError" in run(["python", "-c", code], settings).stderr
        path = settings["cwd"] / folder
        path.mkdir()
        (path / f"fresh_{folder}.py").write_text(f"print('{folder}')")
        line = f"export PYTHONPATH={folder}:${{PYTHONPATH#lib}}; python -c '{code}'"
        assert run(["bash", "-c", line], settings).stdout == f"{folder}\nTrue\n"


@pytest.mark.parametrize(
    "change",
    [
        "JAX_ENABLE_X64=1",
        "OMP_NUM_THREADS=3",
        "PYTHONUTF8=1",
        "SOMETHING=new",
        "-u OPENBLAS_NUM_THREADS",
    ],
)
def test_command_with_another_environment_gets_a_new_process(change, settings):
    done = run(["bash", "-c", f"env {change} python -c '{FORKED}'"], settings)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("arguments", [["-I", "-c", FORKED], ["-m", "fresh"], []])
def test_options_of_python_are_left_to_a_new_process(arguments, settings):
    (settings["cwd"] / "fresh.py").write_text(FORKED)
    assert run(["python", *arguments], settings, FORKED).stdout == "False\n"


def test_file_that_hides_an_imported_module_gets_a_new_process(settings):
    (settings["cwd"] / "typer.py").write_text("HIDDEN = True")
    code = f"import typer; print(typer.HIDDEN); {FORKED}"
    assert run(["python", "-c", code], settings).stdout == "True\nFalse\n"


def test_prompt_of_an_active_environment_needs_no_new_process(settings):
    """`activate` exports it, and a shell without a terminal removes it."""
    settings["env"]["PS1"] = "(.venv) $ "
    assert run(["python", "-c", FORKED], settings).stdout == "True\n"


def test_closed_standard_input_gets_a_new_process(settings):
    done = run(["bash", "-c", f"python -c '{FORKED}' <&-"], settings)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_is_forwarded_and_may_be_handled(number, settings):
    code = f"""
import signal, sys
signal.signal({int(number)}, lambda number, frame: sys.exit(number + 40))
print("ready", flush=True)
while True:
    signal.pause()
"""
    with subprocess.Popen(["python", "-c", code], stdout=subprocess.PIPE, **settings) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == number + 40


def test_command_dies_of_a_signal_that_it_does_not_handle(settings):
    code = f"import time; print('ready', flush=True); time.sleep({PATIENCE_S})"
    with subprocess.Popen(["python", "-c", code], stdout=subprocess.PIPE, **settings) as process:
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(PATIENCE_S) == -signal.SIGTERM


def test_command_is_killed_with_the_process_that_stands_for_it(settings):
    code = f"import os, time; print(os.getpid(), flush=True); time.sleep({PATIENCE_S})"
    with subprocess.Popen(["python", "-c", code], stdout=subprocess.PIPE, **settings) as process:
        number = int(process.stdout.readline())
        assert number != process.pid
        assert Path(f"/proc/{number}").exists()
        process.kill()
        assert is_gone(number)


def test_soundstage_is_interrupted_as_its_own_process_is(settings):
    line = ["soundstage", "generate", "bells", "--preset", "toy", "--duration", "80000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*line, "--output", "-"], **pipes, **settings) as process:
        assert process.stdout.read(4) == b"RF64"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130


def test_random_numbers_differ_between_processes(settings):
    code = "import random, numpy; print(random.random(), numpy.random.random())"
    numbers = [run(["python", "-c", code], settings).stdout.split() for _ in range(2)]
    assert all(first != second for first, second in zip(*numbers, strict=True))


def test_process_that_forks_has_one_thread_and_no_backend(settings):
    assert run(["python", "-c", BACKENDS], settings).stdout == "1 False\n"


def test_process_with_a_thread_is_not_forked():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads"):
            refuse_threads()
    finally:
        done.set()
        thread.join()


def test_end_kills_commands_and_counts_their_time(settings):
    code = f"""
import os, time
while time.process_time() < 0.5:
    pass
{FORKED}
print(os.getpid(), flush=True)
time.sleep({PATIENCE_S})
"""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with forked_commands() as folder:
        settings["env"]["PATH"] = f"{folder}{os.pathsep}{settings['env']['PATH']}"
        command = ["python", "-c", code]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **settings)
        assert process.stdout.readline() == "True\n"
        number = int(process.stdout.readline())
        own = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    with process:
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
    assert is_gone(number)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before >= own + 0.4
