"""Sessions that come with chunks are packed, and damaged ones are refused."""

import struct

import pytest

from soundstage.runners.engine.session_token import MOST_BYTES, pack, unpack

SESSION = b"ARROW1" + bytes(range(256)) * 200 + bytes(20_000)


def test_packed_session_is_small_and_unpacks_to_its_bytes():
    token = pack(SESSION)
    assert len(token) < len(SESSION) / 50
    assert unpack(token) == SESSION


def test_saved_session_is_no_token_and_stays_as_it_is():
    assert unpack(SESSION) == SESSION
    assert unpack(b"") == b""


def test_damaged_and_huge_tokens_are_refused():
    token = pack(SESSION)
    huge = struct.pack("<4sI", token[:4], MOST_BYTES + 1) + token[8:]
    for damaged in (token[:6], token[:40], token[:8] + b"\0" * 40, huge):
        with pytest.raises(ValueError, match=r"."):
            unpack(damaged)
    with pytest.raises(ValueError, match=str(MOST_BYTES)):
        unpack(huge)


def test_length_that_is_not_the_sessions_is_refused():
    token = pack(SESSION)
    for length in (len(SESSION) - 1, len(SESSION) + 1):
        with pytest.raises(ValueError, match=r"."):
            unpack(token[:4] + struct.pack("<I", length) + token[8:])
