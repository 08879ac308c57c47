"""Checks the rules of the trace event format that viewers rely on."""

import json
from collections import Counter
from itertools import pairwise

REQUIRED = {"ph", "name", "pid", "tid", "ts"}
PHASES = set("MXsfbeiC")


def read(path):
    """Checks every rule and returns a timeline's events."""
    document = json.loads(path.read_text("utf-8"))
    events = document["traceEvents"]
    for event in events:
        assert event.keys() >= REQUIRED, event
        assert event["ph"] in PHASES, event
        assert isinstance(event["ts"], float), event
        assert event["ts"] >= 0, event
    _check_lanes(events)
    _check_slices(events)
    _check_arrows(events)
    _check_pairs(events)
    _check_marks(events)
    return events


def of(events, phase):
    return [event for event in events if event["ph"] == phase]


def lanes(events):
    """Returns the names of the threads by id."""
    named = [event for event in of(events, "M") if event["name"] == "thread_name"]
    return {event["tid"]: event["args"]["name"] for event in named}


def _check_lanes(events):
    named = [event["tid"] for event in of(events, "M") if event["name"] == "thread_name"]
    assert len(set(named)) == len(named), "a lane has one name"
    assert len(set(lanes(events).values())) == len(named), "no two lanes have the same name"
    drawn = {event["tid"] for event in events if event["ph"] in "Xsfi"}
    assert drawn <= set(named), "every lane has a name"
    assert [event["name"] for event in of(events, "M")].count("process_name") == 1
    assert len({event["pid"] for event in events}) == 1


def _check_slices(events):
    """Checks that the slices of a thread do not overlap."""
    for tid in lanes(events):
        slices = [event for event in of(events, "X") if event["tid"] == tid]
        assert all(event["dur"] >= 0 for event in slices)
        slices.sort(key=lambda event: (event["ts"], event["dur"]))
        for one, other in pairwise(slices):
            assert one["ts"] + one["dur"] <= other["ts"] + 0.002, (one, other)


def _check_arrows(events):
    """Checks that each arrow has a start, then an end, each within a slice of its lane."""
    starts = {event["id"]: event for event in of(events, "s")}
    ends = {event["id"]: event for event in of(events, "f")}
    assert len(starts) == len(of(events, "s"))
    assert starts.keys() == ends.keys()
    for key, start in starts.items():
        end = ends[key]
        assert (start["name"], start["cat"]) == (end["name"], end["cat"])
        assert end["bp"] == "e", "without it, the end binds to the next slice"
        assert start["ts"] <= end["ts"]
        for event in (start, end):
            assert any(_within(event, slice_) for slice_ in of(events, "X")), event


def _within(event, slice_):
    return (
        event["tid"] == slice_["tid"]
        and slice_["cat"] != "queue"
        and slice_["ts"] <= event["ts"] <= slice_["ts"] + slice_["dur"]
    )


def _check_pairs(events):
    begun = Counter((event["cat"], event["id"], event["name"]) for event in of(events, "b"))
    ended = Counter((event["cat"], event["id"], event["name"]) for event in of(events, "e"))
    assert begun == ended
    assert set(begun.values()) <= {1}


def _check_marks(events):
    assert all(event["s"] in "gpt" for event in of(events, "i"))
    for event in of(events, "C"):
        assert all(isinstance(value, int | float) for value in event["args"].values())
