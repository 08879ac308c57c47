"""The tags of an MP3 file, as ID3 version 2.4.

libsndfile writes UTF-8 bytes into tags that it declares as Latin-1; this module does not.
"""

from collections.abc import Mapping

_UTF8 = b"\x03"


def id3_tag(tags: Mapping[str, str]) -> bytes:
    """Returns the bytes of a tag, which stands before the first MP3 frame.

    Args:
        tags: text by four-letter frame name: "TIT2" title, "TSSE" software, "COMM" comment.
    """
    body = b"".join(_frame(name, text) for name, text in tags.items())
    return b"ID3\x04\x00\x00" + _size(len(body)) + body


def _frame(name: str, text: str) -> bytes:
    language_and_label = b"eng\0" if name == "COMM" else b""
    body = _UTF8 + language_and_label + text.encode()
    return name.encode() + _size(len(body)) + b"\0\0" + body


def _size(count: int) -> bytes:
    # Seven bits a byte, so that no size looks like the start of an MP3 frame.
    return bytes((count >> shift) & 0x7F for shift in (21, 14, 7, 0))
