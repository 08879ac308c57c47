"""`soundstage top` prints the engines of a running server."""

import json

import pytest
from command_line import run, told
from served import samples, say, served, speak, started

import soundstage
from soundstage.apps.commands.top import lines_of, read_figures
from soundstage.errors import InputError, ServerError


def test_engines_of_a_server_are_printed_with_their_streams():
    with served() as context, speak(context, "/ws/stream") as socket:
        started(socket)
        say(socket, type="play")
        samples(socket)
        address = f"http://127.0.0.1:{context.settings.port}"
        shown = run("top", address)
        assert shown.code == 0, shown.stderr
        summary, header, engine = shown.stdout.splitlines()
        assert summary.startswith("1 of 1 streams play, 8 fit; late chunks 0; moves: none")
        assert header.split()[:4] == ["engine", "state", "streams", "fit"]
        assert engine.split()[:4] == ["0", "ready", "1", "8"]
        figures = json.loads(run("top", address, "--json").stdout)
        assert figures["engine"]["0"]["streams"] == figures["streams_playing"] == 1


def test_moves_and_an_engine_that_is_away_are_read_from_the_metrics():
    text = (
        "soundstage_streams 3.0\n"
        'soundstage_engine_ready{engine="1"} 0.0\n'
        'soundstage_moves_total{reason="lost"} 2.0\n'
    )
    figures = read_figures(text)
    assert figures == {"streams": 3.0, "engine": {"1": {"ready": 0.0}}, "moves": {"lost": 2.0}}


def test_range_of_engines_and_one_that_starts_are_printed():
    fleet = {"streams": 3, "streams_playing": 2, "capacity": 4, "underruns_total": 0, "moves": {}}
    limits = {"engines": 2, "engines_least": 1, "engines_most": 8}
    limits |= {"engines_added_total": 3, "engines_removed_total": 2}
    engines = {"0": {"ready": 1, "warm": 1}, "4": {"ready": 0, "warm": 0}}
    _, line, *rows = lines_of({**fleet, **limits, "engine": engines})
    assert line == "2 engines of 1 to 8; 3 added, 2 removed"
    assert [row.split()[1] for row in rows] == ["state", "ready", "starts"]
    assert line not in lines_of({**fleet, **limits, "engines_most": 1, "engine": engines})


def test_address_that_is_no_server_is_one_line():
    asked = run("top", "http://127.0.0.1:1")
    assert asked.code == 1
    assert told(asked.stderr).startswith("http://127.0.0.1:1/metrics: [Errno")
    with pytest.raises(InputError, match="no metrics of `soundstage serve`"):
        read_figures("up 1\n")


def test_missing_or_wrong_token_is_a_line_that_says_where_to_give_it(monkeypatch):
    monkeypatch.delenv("SOUNDSTAGE_TOKEN", raising=False)
    with served(token="a long enough token") as context:
        address = f"http://127.0.0.1:{context.settings.port}"
        lines = [told(run("top", address, *given).stderr) for given in ((), ("--token", "other"))]
        assert run("top", address, "--token", "a long enough token").code == 0
        with pytest.raises(ServerError, match="the token is not this server's"):
            soundstage.connect(f"{address}/#token=other")
    cure = "give it with --token or SOUNDSTAGE_TOKEN"
    assert lines[0] == f"{address}/metrics: this server needs its token: {cure}"
    assert lines[1] == f"{address}/metrics: the token is not this server's: {cure}"
