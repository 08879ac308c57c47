"""The mixing desk on a real terminal: keys steer the music, and the terminal is restored."""

import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest
import soundfile
from played_graphs import CHUNK_S, hitching, toml

from soundstage.graph.check import build
from soundstage.runners.sessions.files import read_session

pytest.importorskip("textual", reason="the extra `play` is not installed")

# A shell may have its background jobs ignore SIGINT; the process restores the default handler.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from soundstage.apps.commands.main import main; main()"
)
ROOT = Path(__file__).parents[3]
SUPPORT = ROOT / "tests" / "support"
PATHS = {"PYTHONPATH": ":".join(map(str, (ROOT, SUPPORT, SUPPORT / "graphs", SUPPORT / "stages")))}
UP, DOWN, RIGHT, LEFT, ENTER, ESCAPE = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\r", "\x1b"


def play(*options, cwd, first=""):
    from terminal import Terminal

    words = [str(option) for option in options]
    return Terminal([sys.executable, "-c", first + MAIN, "play", *words], cwd=cwd, env=PATHS)


TOY = ("--preset", "toy", "--set", "format.chunk_s=0.4")


def type_value(desk, typed):
    desk.type(ENTER)
    desk.wait_for("esc cancel")
    desk.type(typed)
    desk.wait_for(lambda: f"▊  {typed}  " in desk.text, "what was typed")
    desk.type(ENTER)
    desk.wait_for("q quit")


def move_and_add(desk):
    """Moves the selected fader, and adds a prompt by typing."""
    desk.type(DOWN + RIGHT)
    desk.wait_for(lambda: desk.line("jazz trio").startswith("0.60"), "a weight of 0.60")
    desk.type("a")
    desk.wait_for("a prompt, or prompt:weight")
    desk.type("deep house:0.7")
    desk.wait_for(lambda: "deep house:0.7" in desk.text, "what was typed")
    desk.type(ENTER)
    desk.wait_for(lambda: desk.line("deep house"), "the prompt")
    assert desk.line("deep house").startswith("0.70")


def set_a_number(desk):
    """Sets a number by typing; invalid text is refused with a reason."""
    desk.type(DOWN)
    desk.wait_for("▸ temperature")
    for typed, shows in [("99", "outside the range"), ("x", "expected a number, got 'x'")]:
        type_value(desk, typed)
        desk.wait_for(shows)
    type_value(desk, "0.9")
    desk.wait_for(lambda: desk.line("temperature") == "0.9", "a temperature of 0.9")


def pause_and_reset(desk):
    desk.type(" ")
    desk.wait_for("toy  paused")
    desk.wait_for(lambda: desk.line("level L").endswith("silent"), "silence")
    desk.type(" ")
    desk.wait_for("toy  playing")
    desk.type("r")
    desk.wait_for("restarts with the next chunk")


def remove_and_save(desk):
    desk.type(UP)
    desk.wait_for("▸ deep house")
    desk.type("x")
    desk.wait_for(lambda: desk.line("deep house") is None, "one prompt less")
    desk.type("s")
    desk.wait_for("saved soundstage-")


@pytest.mark.slow
def test_every_key_of_the_mixing_desk_steers_the_music(tmp_path):
    prompts = ("--prompt", "warm pads", "--prompt", "jazz trio:0.5")
    with closing(play(*TOY, *prompts, "--output", "out.wav", cwd=tmp_path)) as desk:
        desk.wait_for("toy  playing")
        desk.wait_for("q quit")
        assert desk.line("warm pads").startswith("1.00")
        assert desk.line("jazz trio").startswith("0.50")
        desk.wait_for(lambda: desk.line("level L") and "dB" in desk.line("level L"), "a level")
        desk.wait_for("x real time")
        for use in (move_and_add, set_a_number, pause_and_reset, remove_and_save):
            use(desk)
        desk.type("q")
        assert desk.end() == 0
        assert desk.is_sane
        assert "s of music" in desk.text
    (saved,) = tmp_path.glob("*.session")
    assert controls_of(saved) == {"texts": ["warm pads", "jazz trio"], "temperature": "0.9"}
    assert soundfile.info(tmp_path / "out.wav").duration > 0.4


def controls_of(file):
    """The texts and the temperature of a saved session."""
    saved = read_session(file)
    graph = build(saved.spec)
    (row,) = saved.restore(graph, saved.weights)[1]
    return {"texts": list(row["texts"]), "temperature": f"{row['temperature']:.1f}"}


@pytest.mark.slow
@pytest.mark.parametrize("stop", ["\x03", signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_ctrl_c_restores_the_terminal_and_completes_files(tmp_path, stop):
    options = ("--output", "out.wav", "--save", "set.session")
    with closing(play(*TOY, *options, cwd=tmp_path)) as desk:
        desk.wait_for("toy  playing")
        desk.wait_for("q quit")
        if isinstance(stop, str):
            desk.type(stop)
        else:
            desk.process.send_signal(stop)
        assert desk.end() == (130 if stop == "\x03" else 143)
        assert desk.is_sane
        assert "soundstage: stopped" in desk.text
        assert "Traceback" not in desk.text
    assert soundfile.info(tmp_path / "out.wav").samplerate == 48_000
    assert read_session(tmp_path / "set.session")


@pytest.mark.slow
def test_underrun_is_shown_with_the_stage_that_was_late(tmp_path):
    (tmp_path / "hum.toml").write_text(toml(hitching(3, 4 * CHUNK_S)))
    options = ("--pipeline", "hum.toml", "--allow", "small_stages", "--output", "out.wav")
    with closing(play(*options, "--duration", 4, cwd=tmp_path)) as desk:
        desk.wait_for("humming  playing")
        desk.wait_for("late: slow took 1.6")
        assert "of silence" in desk.line("underruns")
        assert "underrun before chunk 3" in desk.text
        # The mixing desk ends with the music.
        assert desk.end() == 0
        assert desk.is_sane
        assert "underrun(s)" in desk.text


@pytest.mark.slow
def test_stage_that_fails_restores_the_terminal_and_is_named(tmp_path):
    tables = hitching(3, 0)
    tables["stage"]["slow"] |= {"use": "small_stages:Trap", "params": {"number": 4}}
    (tmp_path / "trap.toml").write_text(toml(tables))
    options = ("--pipeline", "trap.toml", "--allow", "small_stages", "--output", "out.wav")
    with closing(play(*options, cwd=tmp_path)) as desk:
        assert desk.end() == 7
        assert desk.is_sane
        assert "stage 'slow' failed at chunk 4" in desk.text


@pytest.mark.slow
def test_no_ui_prints_lines_instead_of_the_mixing_desk(tmp_path):
    options = ("--output", "out.wav", "--duration", 0.5, "--no-ui")
    with closing(play(*TOY, *options, cwd=tmp_path)) as desk:
        assert desk.end() == 0
        assert "chunk 1: made in" in desk.text
        assert b"\x1b[?1049h" not in desk.raw


@pytest.mark.slow
def test_without_textual_lines_and_a_hint_are_printed(tmp_path):
    hidden = "import sys; sys.modules['textual'] = None\n"
    options = ("--output", "out.wav", "--duration", 0.5)
    with closing(play(*TOY, *options, cwd=tmp_path, first=hidden)) as desk:
        assert desk.end() == 0
        assert "no mixing desk: textual is not installed" in desk.text
        assert "chunk 1: made in" in desk.text
