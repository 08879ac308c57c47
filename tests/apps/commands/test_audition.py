"""The audition page: needs no other page, matches its files, shows prompts as plain text."""

import base64
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from command_line import run

from soundstage.audio.png import encode_png
from soundstage.audio.reader import open_audio
from soundstage.audio.thumbnail import HEIGHT, WIDTH, thumbnail

HOSTILE = '<script>alert("1")</script> & $cards'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two prompts times three seeds."""
    folder = tmp_path_factory.mktemp("page")
    options = ("--prompt", "warm pads", "--prompt", HOSTILE, "--seeds", "0-1,7", "--duration", 1)
    done = run("variants", "--preset", "toy", *options, "--temperature", 0.9, "-o", folder)
    assert done.code == 0, done.stderr
    return folder


def sounds(folder):
    return sorted(path.name for path in folder.glob("*.wav"))


# ---- the page


class Reader(HTMLParser):
    """Collects attributes and texts of a page; asserts that elements are closed in order."""

    VOID = {"meta", "link", "input", "img", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names), (tag, names)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def values(self, tag, name):
        return [value for t, n, value in self.attributes if (t, n) == (tag, name)]


@pytest.fixture(scope="module")
def page(folder):
    return Reader((folder / "index.html").read_text("utf-8"))


def test_page_has_a_player_and_a_picture_for_every_file(folder, page):
    players = [unquote(source) for source in page.values("audio", "src")]
    assert players == [f"./{name}" for name in sounds(folder)]
    pictures = page.values("img", "src")
    assert len(pictures) == len(set(pictures)) == len(players)
    assert all(picture.startswith("data:image/png;base64,") for picture in pictures)
    assert len([path for path in page.values("path", "d") if path.startswith("M")]) == len(players)


def test_page_fetches_only_the_files_beside_it(folder, page):
    links = [value for _, name, value in page.attributes if name in ("src", "href", "srcset")]
    own = [link for link in links if not link.startswith("data:")]
    assert {Path(unquote(link)).name for link in own} == {*sounds(folder), "manifest.json"}
    assert all((folder / unquote(link)).is_file() for link in own)
    code = "".join(text for tag, text in page.texts if tag in ("style", "script"))
    assert not re.search(r"https?:|//[a-z]|url\(|@import|fetch|XMLHttp|import\(|WebSocket", code)


def test_prompt_with_markup_is_shown_as_plain_text(page):
    assert [text for tag, text in page.texts if tag == "h2"] == ["warm pads"] * 3 + [HOSTILE] * 3
    assert page.values("article", "data-prompt")[3:] == [HOSTILE] * 3
    assert sum(tag == "script" for tag, _ in page.texts) == 1


def test_page_shows_common_controls_once_and_others_on_cards(page):
    facts = [text for tag, text in page.texts if tag in ("b", "span")]
    assert [facts.count(seed) for seed in ("0", "1", "7")] == [2, 2, 2]
    assert facts.count("0.9") == 1, "the temperature is the same everywhere"
    assert any("noise, not music" in text for _, text in page.texts)


# ---- pictures


def decode_png(data):
    """Returns the indices and the palette of an indexed PNG without filters."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    parts, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + body)
        parts[kind] = body
        at += 12 + length
    assert list(parts) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *form = struct.unpack(">2I5B", parts[b"IHDR"])
    assert form == [8, 3, 0, 0, 0]
    rows = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:], np.frombuffer(parts[b"PLTE"], np.uint8).reshape(-1, 3)


def test_encoded_png_decodes_to_the_same_picture():
    random = np.random.default_rng(0)
    indices = random.integers(0, 48, (30, 50), np.uint8)
    palette = random.integers(0, 256, (48, 3), np.uint8)
    read, colours = decode_png(encode_png(indices, palette))
    assert np.array_equal(read, indices)
    assert np.array_equal(colours, palette)


def test_png_with_indices_outside_the_palette_is_refused():
    with pytest.raises(TypeError, match="palette"):
        encode_png(np.full((2, 2), 9, np.uint8), np.zeros((9, 3), np.uint8))
    with pytest.raises(TypeError, match="indices"):
        encode_png(np.zeros((2, 2)), np.zeros((9, 3), np.uint8))


def pixels(path):
    with open_audio(path) as source:
        pictures = thumbnail(source)
    return decode_png(base64.b64decode(pictures.spectrogram.partition(",")[2]))[0]


def test_thumbnail_is_bright_at_the_time_and_pitch_of_the_sound(tmp_path):
    time = np.arange(48_000) / 48_000
    tone = 0.5 * np.sin(2 * np.pi * 6000 * time) * (time >= 0.5)
    soundfile.write(tmp_path / "a.wav", tone, 48_000)
    image = pixels(tmp_path / "a.wav")
    assert image.shape == (HEIGHT, WIDTH)
    row, column = np.unravel_index(image.argmax(), image.shape)
    assert row < HEIGHT / 3, "high notes are above"
    assert column > WIDTH / 2
    assert image[:, : int(WIDTH * 0.4)].max() == 0


def test_silence_and_a_single_sample_have_thumbnails(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(48_000), 48_000)
    soundfile.write(tmp_path / "b.wav", np.zeros(1), 48_000)
    assert pixels(tmp_path / "a.wav").max() == 0
    assert pixels(tmp_path / "b.wav").size > 0
