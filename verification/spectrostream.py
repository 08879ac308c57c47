"""Compares SpectroStream with recordings of the original.

The arrays are described in the README of the SpectroStream recordings, the tolerances in the
SpectroStream spec, section 10.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping

import numpy as np

from soundstage.stages.spectrostream.codec import Codec, load_codec
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.weights.array_source import ArraySource
from soundstage.verification.recording import Ledger, OriginalRecording, VerifyError, guarded

# Tolerance as a share of the largest magnitude; two correct implementations differ by 1.1e-6 of it.
RELATIVE = 1e-5
# The same for streaming, which adds differences of 5e-7 (decode, of a signal up to 1) and 6e-6
# (encode, of embeddings up to 6).
STREAMING = 2e-5
# Codes whose distances differ by less than this may swap between two correct implementations.
NEAR_TIE = 1e-3
# The arrays that the README lists; "*" stands for numbers or names.
LAYOUT = {
    "decode": ("codes_K*", "embeddings_K*", "features_K*", "waveform_K*"),
    "decode_short": ("codes", "waveform_*frames", "int16_first_*frames"),
    "decode_stream": ("waveform", "mask"),
    "encode": ("waveform", "stft", "stft_frames", "embeddings", "codes", "margins"),
    "encode_odd": ("waveform", "stft_last2", "embeddings", "codes", "margins"),
    "encode_stream": ("embeddings", "mask"),
    "blocks": ("encoder_in", "enc_*", "decoder_in", "dec_*"),
}


def check(recording: OriginalRecording, source: ArraySource, ledger: Ledger) -> None:
    """Runs the codec on every recorded input and compares the results.

    Args:
        recording: a recording of a SpectroStream.
        source: its weights.
        ledger: collects the rows.

    Raises:
        VerifyError: config.json does not describe a codec.
        WeightsError: the weights do not fit the config.
    """
    try:
        text = (recording.folder / "config.json").read_text(encoding="utf-8")
        config = SpectroStreamConfig.from_json(text)
    except ValueError as error:
        raise VerifyError(f"{recording.folder / 'config.json'}: {error}") from error
    codec = load_codec(config, source)[0]
    checker = CodecCheck(recording, ledger, codec, source)
    checker.list_missing()
    checker.check_decode()
    checker.check_encode()
    checker.check_streams()
    checker.check_blocks()


class CodecCheck:
    """The comparisons of one recording, file by file."""

    def __init__(
        self, recording: OriginalRecording, ledger: Ledger, codec: Codec, source: ArraySource
    ) -> None:
        self.arrays = recording.arrays
        self.recording = recording
        self.ledger = ledger
        self.codec = codec
        shape = (source.names() or {})["quantizer/embedding"]
        self.books = source.read("quantizer/embedding", shape).astype(np.float64)
        self.block = codec.config.frame_samples

    def list_missing(self) -> None:
        """Lists the arrays, or whole files, that the recording lacks."""
        for file, patterns in LAYOUT.items():
            names = self.recording.names(file)
            for pattern in patterns if names else ("*",):
                if not fnmatch.filter(names, pattern):
                    self.ledger.skip([f"{file}/{pattern}"], "not in the recording")

    # ---- decode.npz, decode_short.npz

    def check_decode(self) -> None:
        """Compares the results of decoding: embeddings, features, audio and 16-bit samples."""
        for name in self.recording.names("decode"):
            if match := re.fullmatch(r"codes_K(\d+)", name):
                self._decode_levels(match[1])
        self._decode_short()

    def _decode_levels(self, levels: str) -> None:
        self.ledger.skip([f"decode/codes_K{levels}"], "an input")
        codes = self.arrays[f"decode/codes_K{levels}"]
        own = rf"decode/\w+_K{levels}"
        with guarded(self.ledger, [name for name in self.arrays if re.fullmatch(own, name)]):
            embeddings = self.codec.dequantize(codes)
            self._close(f"decode/embeddings_K{levels}", embeddings)
            self._features(levels, embeddings)
            pattern = rf"decode/waveform(_first_(\d+)frames)?_K{levels}"
            for name in self.arrays:
                if match := re.fullmatch(pattern, name):
                    waveform = self.codec.decode(codes)
                    samples = int(match[2]) * self.block if match[1] else waveform.shape[1]
                    self._close(name, waveform[:, :samples])

    def _features(self, levels: str, embeddings: np.ndarray) -> None:
        name, frames = f"decode/features_K{levels}", f"decode/features_frames_K{levels}"
        if frames in self.arrays:
            self.ledger.skip([frames], "an input")
        if name in self.arrays:
            features = self.codec.decode_features(embeddings)
            kept = self.arrays[frames] if frames in self.arrays else slice(None)
            self._close(name, features[:, kept])

    def _decode_short(self) -> None:
        names = [f"decode_short/{name}" for name in self.recording.names("decode_short")]
        codes = self.arrays.get("decode_short/codes")
        for name in names:
            with guarded(self.ledger, [name]):
                if name == "decode_short/codes":
                    self.ledger.skip([name], "an input")
                elif match := re.fullmatch(r"decode_short/waveform_(\d+)frames", name):
                    if codes is None:
                        self.ledger.skip([name], "needs decode_short/codes")
                    else:
                        self._close(name, self.codec.decode(codes[:, : int(match[1])]))
                elif match := re.fullmatch(r"decode_short/int16_first_(\d+)frames", name):
                    self._int16(name, int(match[1]), codes)

    def _int16(self, name: str, frames: int, short: np.ndarray | None) -> None:
        codes = self._codes_behind(short)
        if codes is None:
            self.ledger.skip(
                [name], "needs the decode/codes_K... that start with decode_short/codes"
            )
            return
        waveform = self.codec.decode(codes)[:, : frames * self.block]
        whole = np.round(32767.5 * np.clip(0.5 * waveform.astype(np.float64), -1, 1) - 0.5)
        # A value within float32 error of a rounding step may fall on either side.
        self.ledger.compare(name, whole.astype(np.int16), 1.0, "of 32768, gain 0.5")

    def _codes_behind(self, short: np.ndarray | None) -> np.ndarray | None:
        """Returns the codes of decode.npz that start with the codes of decode_short."""
        for name, codes in self.arrays.items():
            if name.startswith("decode/codes_K") and short is not None:
                head = codes[:, : short.shape[1]]
                if head.shape == short.shape and np.array_equal(head, short):
                    return codes
        return None

    # ---- encode.npz, encode_odd.npz

    def check_encode(self) -> None:
        """Compares the results of encoding: STFT features, embeddings and codes."""
        for file in ("encode", "encode_odd"):
            names = [f"{file}/{name}" for name in self.recording.names(file)]
            waveform = self.arrays.get(f"{file}/waveform")
            if waveform is None:
                self.ledger.skip(names, f"needs {file}/waveform")
                continue
            self.ledger.skip([f"{file}/waveform"], "an input")
            with guarded(self.ledger, names):
                self._stft(file, self.codec.stft(waveform))
                embeddings = self.codec.encode_features(self.codec.stft(waveform))
                self._close(f"{file}/embeddings", embeddings)
                self._codes(file, embeddings)
        self._mono()

    def _stft(self, file: str, features: np.ndarray) -> None:
        frames = f"{file}/stft_frames"
        if frames in self.arrays:
            self.ledger.skip([frames], "an input")
        kept = self.arrays[frames] if frames in self.arrays else slice(None)
        if f"{file}/stft" in self.arrays:
            self._close(f"{file}/stft", features[:, kept])
        self._close(f"{file}/stft_last2", features[:, -2:])
        if f"{file}/stft_shape" in self.arrays:
            self.ledger.compare_exactly(f"{file}/stft_shape", np.array(features.shape))

    def _codes(self, file: str, embeddings: np.ndarray) -> None:
        """Compares codes, which may differ from the first near tie of a vector on."""
        name = f"{file}/codes"
        recorded = self.arrays.get(name)
        if recorded is None:
            self.ledger.skip([n for n in [f"{file}/margins"] if n in self.arrays], f"needs {name}")
            return
        codes = self.codec.quantize(embeddings, recorded.shape[-1])
        rows = min(len(codes), len(recorded))
        if codes[:rows].shape != recorded.shape:
            self.ledger.fail(
                [name], f"recorded {list(recorded.shape)}, but our result is {list(codes.shape)}"
            )
            self.ledger.skip(
                [n for n in [f"{file}/margins"] if n in self.arrays], f"needs {name} to fit"
            )
            return
        margins = self._margins(recorded, embeddings[:rows])
        differ = codes[:rows] != recorded
        first = differ & (np.cumsum(differ, axis=-1) == 1)
        wrong = first & ~(margins <= NEAR_TIE)
        near = int(first.sum() - wrong.sum())
        note = f"{near} vectors differ from a margin under {NEAR_TIE:g} on" if near else ""
        self.ledger.judge(name, int(wrong.sum()), 0, note)
        if f"{file}/margins" in self.arrays:
            # The margin contains 2 r (E_i - E_j), so an error of the embedding r scales with E.
            scale = float(np.abs(self.books).sum(axis=-1).max())
            largest = float(np.abs(embeddings).max(initial=0.0))
            self.ledger.compare(f"{file}/margins", margins, 4 * RELATIVE * largest * scale)

    def _margins(self, codes: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
        """Returns the gaps between the two nearest codes of each level, behind the codes before."""
        residual = embeddings.astype(np.float64)
        gaps = []
        for level in range(codes.shape[-1]):
            book = self.books[level]
            distances = np.square(book).sum(axis=-1) - 2 * residual @ book.T
            nearest = np.partition(distances, 1, axis=-1)
            gaps.append(nearest[..., 1] - nearest[..., 0])
            residual = residual - book[codes[..., level]]
        return np.stack(gaps, axis=-1)

    def _mono(self) -> None:
        waveform = self.arrays.get("encode/waveform")
        for name in self.arrays:
            if match := re.fullmatch(r"encode_odd/mono_embeddings_first(\d+)frames", name):
                if waveform is None:
                    self.ledger.skip(self.ledger.open([name]), "needs encode/waveform")
                    continue
                with guarded(self.ledger, [name]):
                    part = waveform[:1, : int(match[1]) * self.block, :1]
                    self._close(name, self.codec.encode_features(self.codec.stft(part)))

    # ---- decode_stream.npz, encode_stream.npz

    def check_streams(self) -> None:
        """Compares recorded streaming results with our whole-sequence results, delayed."""
        ahead = self.codec.config.decoder_lookahead
        with guarded(self.ledger, self._names_of("decode_stream")):
            wave = self.arrays.get("decode_stream/waveform")
            codes = None if wave is None else self._streamed_codes(wave)
            if codes is not None:
                self._stream("decode_stream/waveform", self.codec.decode(codes), ahead * self.block)
        with guarded(self.ledger, self._names_of("encode_stream")):
            audio = self.arrays.get("encode/waveform")
            if audio is not None and "encode_stream/embeddings" in self.arrays:
                embeddings = self.codec.encode_features(self.codec.stft(audio))
                late = np.pad(embeddings, ((0, 0), (1, 0), (0, 0)))[:, : embeddings.shape[1]]
                self._stream("encode_stream/embeddings", late[:, 1:], 1)
        for file, other in (("decode", "decode/codes_K..."), ("encode", "encode/waveform")):
            open_names = self.ledger.open(self._names_of(f"{file}_stream"))
            self.ledger.skip(open_names, f"needs {other} to compare with")

    def _streamed_codes(self, wave: np.ndarray) -> np.ndarray | None:
        """Returns the codes of the streamed audio: those behind decode_short, else by length."""
        named = {n: a for n, a in self.arrays.items() if n.startswith("decode/codes_K")}
        behind = self._codes_behind(self.arrays.get("decode_short/codes"))
        candidates = [behind, *named.values()]
        for codes in candidates:
            if codes is not None and codes.shape[1] * self.block == wave.shape[1]:
                return codes
        return None

    def _stream(self, name: str, valid: np.ndarray, lead: int) -> None:
        """Compares a stream: `lead` invalid steps, then the whole sequence.

        Args:
            name: the recorded array.
            valid: our whole sequence.
            lead: number of invalid steps, which are not compared for embeddings.
        """
        recorded = self.arrays[name]
        mask = f"{name.split('/')[0]}/mask"
        if mask in self.arrays:
            expected = np.arange(recorded.shape[1]) >= lead
            self.ledger.compare_exactly(
                mask, np.broadcast_to(expected, recorded.shape[:2]), f"the first {lead} are invalid"
            )
        # The head is zero for audio and unspecified for embeddings.
        head = np.zeros_like(recorded[:, :lead]) if "wave" in name else recorded[:, :lead]
        ours = np.concatenate([head[: len(valid)], valid[: len(head)]], axis=1)
        tolerance = STREAMING * _largest(recorded)
        self.ledger.compare(name, ours, tolerance, "our whole-sequence result, delayed")

    # ---- blocks.npz

    def check_blocks(self) -> None:
        """Compares every block's output for a short input."""
        self._blocks_of("encoder_in", "enc_", self.codec.encoder_blocks)
        self._blocks_of("decoder_in", "dec_", self.codec.decoder_blocks)

    def _blocks_of(
        self, input_name: str, prefix: str, run: Callable[[np.ndarray], Mapping[str, np.ndarray]]
    ) -> None:
        names = [name for name in self._names_of("blocks") if name.startswith(f"blocks/{prefix}")]
        if f"blocks/{input_name}" not in self.arrays:
            self.ledger.skip(names, f"needs blocks/{input_name}")
            return
        self.ledger.skip([f"blocks/{input_name}"], "an input")
        with guarded(self.ledger, names):
            outputs = run(self.arrays[f"blocks/{input_name}"])
            for name, output in outputs.items():
                self._close(f"blocks/{prefix}{name}", output)

    # ---- common

    def _names_of(self, file: str) -> list[str]:
        return [f"{file}/{name}" for name in self.recording.names(file)]

    def _close(self, name: str, result: np.ndarray) -> None:
        """Compares an array, if it is recorded; the recording may hold the first rows only."""
        if name not in self.arrays:
            return
        recorded = self.arrays[name]
        if recorded.shape[1:] == result.shape[1:] and 0 < len(recorded) < len(result):
            result = result[: len(recorded)]
        self.ledger.compare(name, result, RELATIVE * _largest(recorded))


def _largest(array: np.ndarray) -> float:
    return float(np.abs(array).max(initial=0.0))
