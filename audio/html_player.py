"""Shows audio as a player with a waveform and a spectrogram, in HTML without scripts."""

import base64
import io
from html import escape

from soundstage.audio.source import AudioSource, SampleArray
from soundstage.audio.spectrogram import LOWEST_HZ
from soundstage.audio.thumbnail import HEIGHT, WAVE_HEIGHT, WIDTH, thumbnail
from soundstage.audio.wav import WavEncoder

MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".mp3": "audio/mpeg",
}


def player_of(samples: SampleArray, caption: str) -> str:
    """Returns a player of samples, which it holds as 16-bit WAV.

    Args:
        samples: finite; samples beyond full scale are cut off.
        caption: a text below the player.
    """
    stream = io.BytesIO()
    rate_hz, channels = samples.sample_rate_hz, samples.channels
    encoder = WavEncoder(stream, rate_hz, channels, "PCM_16", {}, samples.samples)
    encoder.write(samples.audio.clip(-1, 1))
    encoder.close()
    return html_player(samples, stream.getvalue(), MEDIA_TYPES[".wav"], caption)


def html_player(source: AudioSource, encoded: bytes | None, media_type: str, caption: str) -> str:
    """Returns a player with the audio's pictures and a caption.

    Args:
        source: the audio, which is read to its end.
        encoded: the bytes of an audio file; None = there is no player, only the pictures.
        media_type: what the bytes are, such as "audio/wav".
        caption: a text below the player.

    Raises:
        InputError: the file is damaged or cut short.
    """
    pictures = thumbnail(source)
    sound = ""
    if encoded is not None:
        data = base64.b64encode(encoded).decode()
        sound = (
            f'<audio controls preload="metadata" style="display:block;width:100%" '
            f'src="data:{media_type};base64,{data}"></audio>'
        )
    facts = (
        f"{source.seconds:.2f} s, {source.sample_rate_hz / 1000:g} kHz; "
        f"spectrogram {LOWEST_HZ:g} Hz to {source.sample_rate_hz / 2000:g} kHz"
    )
    return (
        '<figure style="margin:0 0 1em;max-width:640px">'
        f'<svg viewBox="0 0 {WIDTH} {WAVE_HEIGHT + HEIGHT}" style="display:block;width:100%" '
        'role="img" aria-label="waveform and spectrogram">'
        f'<path d="{pictures.waveform}" fill="currentColor" opacity="0.6"/>'
        f'<image href="{pictures.spectrogram}" y="{WAVE_HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" preserveAspectRatio="none"/></svg>{sound}'
        f'<figcaption style="font-size:smaller">{escape(caption)}<br>{facts}</figcaption></figure>'
    )
