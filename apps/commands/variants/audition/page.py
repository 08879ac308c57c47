"""Writes the audition page: each variant as a card with its pictures, its facts and a player."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

from soundstage.apps.commands.variants.manifest import NAME as MANIFEST
from soundstage.apps.commands.variants.manifest import ManifestEntry
from soundstage.audio.provenance import NOISE, AudioPrompt
from soundstage.audio.reader import open_audio
from soundstage.audio.thumbnail import WAVE_HEIGHT, WIDTH, Thumbnail, thumbnail
from soundstage.files import replacing, reporting

_BETWEEN = " &middot; "
_SILENT_DBFS = -200.0


class Page:
    """An audition page; `write` replaces it each time that variants are finished."""

    def __init__(self, path: Path, pipeline: str, version: str) -> None:
        """Writes nothing yet.

        Args:
            path: the page to write, in the folder of the audio files.
            pipeline: the pipeline's name.
            version: soundstage's version.
        """
        self._path = path
        self._pipeline = pipeline
        self._version = version
        self._thumbnails: dict[str, Thumbnail] = {}
        self._template = Template(_text("page.html"))
        self._card = Template(_text("card.html"))

    def write(self, entries: Sequence[ManifestEntry]) -> None:
        """Writes the page for these variants, whole or not at all; equal variants, equal bytes.

        Raises:
            OutputError: the page cannot be written.
            InputError: an audio file is missing.
        """
        for entry in entries:
            if entry.sha256 not in self._thumbnails:
                with open_audio(self._path.parent / entry.file) as source:
                    self._thumbnails[entry.sha256] = thumbnail(source)
        text = self._page(entries)
        with replacing(self._path) as stream, reporting(self._path):
            # A file name may hold bytes that are not UTF-8.
            stream.write(text.encode("utf-8", "replace"))

    def _page(self, entries: Sequence[ManifestEntry]) -> str:
        common = _common(entries)
        count = f"{len(entries)} variant{'' if len(entries) == 1 else 's'}"
        noise = any(entry.random_weights for entry in entries)
        thumbnails = [self._thumbnails[entry.sha256] for entry in entries]
        cards = [
            self._card.substitute(_card(number, entry, pictures, common)).rstrip()
            for number, (entry, pictures) in enumerate(zip(entries, thumbnails, strict=True), 1)
        ]
        # All values are HTML: their text is escaped already.
        return self._template.substitute(
            software=escape(f"soundstage {self._version}"),
            title=escape(f"{count}, {self._pipeline}"),
            count=count,
            about=_BETWEEN.join(self._about(entries, common)),
            warning=f'<p class="warning">{escape(NOISE)}</p>' if noise else "",
            cards="\n".join(cards),
            style=_text("page.css"),
            script=_text("page.js"),
        )

    def _about(
        self, entries: Sequence[ManifestEntry], common: Mapping[str, float | int]
    ) -> Iterator[str]:
        yield f"pipeline {escape(self._pipeline)}"
        yield from (_control(name, value) for name, value in common.items())
        if entries:
            yield f'graph <a href="{MANIFEST}">{escape(entries[0].graph[:12])}</a>'
        yield escape(f"soundstage {self._version}")


def _card(
    number: int, entry: ManifestEntry, pictures: Thumbnail, common: Mapping[str, float | int]
) -> dict[str, str]:
    """Returns the values of a variant's card, as HTML, by placeholder.

    A variant with a name is titled with it, and its prompts are below.
    """
    words = " + ".join(map(_prompt, entry.prompts)) or "without a prompt"
    return dict(
        number=str(number),
        label=escape(entry.name) if entry.name else words,
        seed="" if entry.seed is None else str(entry.seed),
        loudness=f"{_SILENT_DBFS if entry.rms_dbfs is None else entry.rms_dbfs:.2f}",
        key=entry.sha256[:16],
        facts="".join(f"<span>{fact}</span>" for fact in _facts(entry, common)),
        words=f'<p class="words">{words}</p>' if entry.name else "",
        wave_width=str(WIDTH),
        wave_height=str(WAVE_HEIGHT),
        waveform=pictures.waveform,
        spectrogram=pictures.spectrogram,
        # The dot keeps a name with a colon from being read as an address.
        source=escape(f"./{quote(entry.file)}"),
        file=escape(entry.file),
        seconds=f"{entry.seconds:.3f}",
        clock=f"{int(entry.seconds) // 60}:{int(entry.seconds) % 60:02}",
    )


def _prompt(prompt: object) -> str:
    sign = "\N{BEAMED EIGHTH NOTES} " if isinstance(prompt, AudioPrompt) else ""
    return escape(sign + " ".join(str(prompt).split()))


def _facts(entry: ManifestEntry, common: Mapping[str, float | int]) -> Iterator[str]:
    """Returns a card's facts: seed, controls that differ between variants, loudness."""
    if entry.seed is not None:
        yield f"seed <b>{entry.seed}</b>"
    for name, value in entry.controls.items():
        if name not in common:
            yield _control(name, value)
    yield "silent" if entry.rms_dbfs is None else f"RMS {_level(entry.rms_dbfs)}"
    if entry.clipped_samples:
        yield "<b>too loud, cut off</b>"


def _common(entries: Sequence[ManifestEntry]) -> dict[str, float | int]:
    """Returns the controls that are equal in all variants; the page shows them once."""
    first = entries[0].controls if entries else {}
    return {
        name: value
        for name, value in first.items()
        if all(entry.controls.get(name) == value for entry in entries)
    }


def _control(name: str, value: float | int) -> str:
    return f"{escape(name.replace('_', ' '))} <b>{value:g}</b>"


def _level(level_dbfs: float) -> str:
    return f"{level_dbfs:.1f} dB".replace("-", "\N{MINUS SIGN}")


def _text(name: str) -> str:
    return files("soundstage.apps.commands.variants.audition").joinpath(name).read_text("utf-8")
