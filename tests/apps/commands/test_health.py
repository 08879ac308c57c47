"""`soundstage health` finds the server of this machine, and tells whether it answers."""

import pytest
from command_line import run, told

from soundstage.apps.commands.server_health import running_server
from soundstage.errors import InputError


@pytest.fixture
def processes(tmp_path):
    """A folder like /proc, with an ended process, one without words, and others' files."""
    (tmp_path / "version").write_text("Linux")
    (tmp_path / "7").mkdir()
    start(tmp_path, 8, "")
    start(tmp_path, 9, "/bin/sh", "serve", "soundstage")
    return tmp_path


def start(processes, number, *words):
    (processes / str(number)).mkdir()
    (processes / str(number) / "cmdline").write_bytes("".join(f"{w}\0" for w in words).encode())


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (("/usr/local/bin/soundstage", "serve"), "http://127.0.0.1:8080"),
        (("python3", "-m", "soundstage", "serve", "--port=9000"), "http://127.0.0.1:9000"),
        # The entry point of the image, and what a user adds.
        (("soundstage", "serve", "--host", "0.0.0.0", "--port", "81"), "http://127.0.0.1:81"),
        (("soundstage", "serve", "--host", "0.0.0.0", "--host", "::"), "http://[::1]:8080"),
        (("soundstage", "serve", "base", "--host", "10.0.0.7"), "http://10.0.0.7:8080"),
        (
            ("soundstage", "serve", "--tls-cert", "a.pem", "--tls-key", "b.pem"),
            "https://127.0.0.1:8080",
        ),
    ],
)
def test_address_follows_the_command_line_of_the_server(processes, words, address):
    start(processes, 11, *words)
    start(processes, 12, "soundstage", "serve", "--port", "12")
    assert running_server(processes) == address


def test_no_server_is_said_with_the_cure(processes):
    with pytest.raises(InputError, match="name the server's address"):
        running_server(processes)


def test_server_that_does_not_answer_has_exit_code_1():
    asked = run("health", "http://127.0.0.1:1")
    assert asked.code == 1
    assert told(asked.stderr).startswith("http://127.0.0.1:1/healthz: [Errno")


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "ftp://a", ""])
def test_what_is_no_address_is_refused(address):
    asked = run("health", address)
    assert asked.code == 3
    assert "give an address such as http://" in told(asked.stderr)
