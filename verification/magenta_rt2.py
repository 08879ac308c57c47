"""Compares Magenta RealTime 2's frame model with recordings of the original.

The arrays are described in the README of the recording: every one of them is compared, but for the
inputs and the bookkeeping of the original.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from soundstage.stages.magenta_rt2.choice import GUIDED_ROWS
from soundstage.stages.magenta_rt2.config import OFFSET, MagentaRt2Config
from soundstage.stages.spectrostream.codec import load_codec
from soundstage.stages.spectrostream.config import SpectroStreamConfig
from soundstage.stages.spectrostream.streaming import MemoryLayout
from soundstage.stages.weights.array_source import ArraySource
from soundstage.verification.magenta_rt2_network import (
    RecordedMagentaRt2,
    Run,
    RunSettings,
    id_codes,
)
from soundstage.verification.recording import Ledger, OriginalRecording, VerifyError, guarded

LOGITS = 1e-4
CACHES = 1e-5
# Two correct implementations in bfloat16 differ by 0.35 at most.
BFLOAT16 = 0.5
# bfloat16 keeps 8 bits; a stack of layers adds up a few of its roundings.
BFLOAT16_RELATIVE = 0.1
# The arrays that the README lists.
RUNS = ("greedy", "sampled", "prefilled", "prefilled_app", "guided", "rows")
LAYOUT = [
    "conditioning",
    "encoded",
    *(f"{run}_{array}" for run in RUNS for array in ("tokens", "logits")),
    *(f"greedy_temporal_{side}" for side in ("inputs", "outputs")),
    *(f"{run}_audio_int16" for run in ("greedy", "sampled")),
    *(f"forced_{array}" for array in ("logits", "temporal_outputs")),
]
INPUTS = (
    r"conditioning|prefill_codes|prefill_frames|guided_scales|sampled_noise"
    r"|rows_(blocks|noise|temperature|top_k)"
)
BOOKKEEPING = r"\w+_key0|state\d+_\d+_self_count"
CODEC_KEYS = {
    "features": "features",
    "decoder_base": "decoder_base",
    "quantizers": "levels",
    "codes": "codes",
}


class MagentaRt2Check:
    """The comparisons of one recording; arrays are found by name in any file."""

    def __init__(
        self, recording: OriginalRecording, ledger: Ledger, config: MagentaRt2Config
    ) -> None:
        self.ledger = ledger
        self.config = config
        self.recorded: Mapping[str, Any] = recording.config.get("recorded", {})
        self.keys = {name.split("/")[1]: name for name in recording.arrays}
        self.arrays = {name: recording.arrays[key] for name, key in self.keys.items()}

    def list_arrays(self) -> None:
        """Lists the arrays that are inputs or bookkeeping, and those that the recording lacks."""
        for name in self.arrays:
            if re.fullmatch(INPUTS, name):
                self.ledger.skip([self.keys[name]], "an input")
            elif re.fullmatch(BOOKKEEPING, name):
                self.ledger.skip([self.keys[name]], "the original's bookkeeping")
        missing = [name for name in LAYOUT if name not in self.arrays]
        self.ledger.skip(missing, "not in the recording")

    def check_runs(self, network: RecordedMagentaRt2) -> None:
        """Compares the runs in float32."""
        numbers = self.arrays.get("conditioning")
        if numbers is None:
            return
        for pattern, compare in (
            ("blocks|encoded", self._encoded),
            (r"greedy_(?!audio)\w+|state\d+_\w+", self._greedy),
            (r"sampled_(tokens|logits)", self._sampled),
            (r"prefilled_\w+", self._prefilled),
            (r"guided_\w+", self._guided),
            (r"rows_\w+", self._rows),
        ):
            names = [key for name, key in self.keys.items() if re.fullmatch(pattern, name)]
            with guarded(self.ledger, names):
                compare(network, numbers)

    def check_bfloat16(self, network: RecordedMagentaRt2) -> None:
        """Compares the run in bfloat16 with the ids of the greedy one."""
        numbers, tokens = self.arrays.get("conditioning"), self.arrays.get("greedy_tokens")
        keys = [self.keys[name] for name in self.arrays if name.startswith("forced_")]
        if numbers is None or tokens is None or not keys:
            return
        with guarded(self.ledger, keys):
            forced = id_codes(tokens, self.config.codes)[:, None]
            run = network.run(numbers[:, None], _greedy(1)._replace(forced=forced))
            self._close("forced_logits", _logits(run)[:, :, 0], BFLOAT16, "bfloat16")
            outputs = self.arrays.get("forced_temporal_outputs", np.zeros(1))
            tolerance = BFLOAT16_RELATIVE * float(np.abs(outputs).max())
            ours = np.stack(run.outputs)[:, 0]
            self._close("forced_temporal_outputs", ours, tolerance, "bfloat16")

    def check_audio(self, source: ArraySource, codec: SpectroStreamConfig) -> None:
        """Compares the audio that follows from the recorded codes, frame by frame."""
        names = [name for name in self.arrays if name.endswith("_audio_int16")]
        if not names:
            return
        decoder = load_codec(codec, source, parts=("quantizer", "decoder"))[0]
        for name in names:
            tokens = self.arrays.get(name.replace("_audio_int16", "_tokens"))
            if tokens is None:
                self.ledger.skip([self.keys[name]], "needs the tokens of this run")
                continue
            memory = np.zeros((1, MemoryLayout(codec).size), np.float32)
            frames = []
            for codes in id_codes(tokens, self.config.codes):
                audio, memory = decoder.decode_streaming(codes[None, None], memory)
                frames.append(audio[0])
            half = np.clip(0.5 * np.concatenate(frames).astype(np.float64), -1, 1)
            whole = np.round(32767.5 * half - 0.5).astype(np.int16)
            # A value within float32 error of a rounding step may fall on either side.
            self._close(name, whole, 1.0, "of 32768, half volume")

    def _encoded(self, network: RecordedMagentaRt2, numbers: np.ndarray) -> None:
        self._same("blocks", numbers + OFFSET)
        self._close("encoded", network.encode(numbers), LOGITS)

    def _greedy(self, network: RecordedMagentaRt2, numbers: np.ndarray) -> None:
        run = network.run(numbers[:, None], _greedy(1))
        self._run("greedy", run)
        self._close("greedy_temporal_inputs", np.stack(run.inputs)[:, 0], LOGITS)
        self._close("greedy_temporal_outputs", np.stack(run.outputs)[:, 0], LOGITS)
        for name in self.arrays:
            if match := re.fullmatch(r"greedy_raw_logits_frames_(\d+(?:_\d+)*)", name):
                frames = [int(frame) for frame in match[1].split("_")]
                normed = np.stack([run.normed[frame][:, 0] for frame in frames])
                self._close(name, network.raw_logits(normed), LOGITS)
            elif match := re.fullmatch(r"state(\d+)_(\d+)_(self|cross)_(keys|values|valid)", name):
                ours = network.cache(run, int(match[1]), int(match[2]), match[3], match[4])
                if match[4] == "valid":
                    self._same(name, ours)
                else:
                    self._close(name, ours, CACHES)
            elif match := re.fullmatch(r"state(\d+)_previous_frame", name):
                self._same(name, run.ids[int(match[1])][0])
            elif match := re.fullmatch(r"state(\d+)_step", name):
                self._same(name, np.array([int(match[1]) + 1]))

    def _sampled(self, network: RecordedMagentaRt2, numbers: np.ndarray) -> None:
        noise = self.arrays.get("sampled_noise")
        if noise is None or not {"temperature", "top_k"} <= self.recorded.keys():
            return
        temperature, top_k = (np.array([self.recorded[key]]) for key in ("temperature", "top_k"))
        draw = RunSettings(temperature, top_k, noise[:, :, None])
        self._run("sampled", network.run(numbers[:, None], draw))

    def _prefilled(self, network: RecordedMagentaRt2, numbers: np.ndarray) -> None:
        """Compares both ways of going on from audio: with a first step that reads id 0, and not."""
        codes = self.arrays.get("prefill_codes")
        if codes is None:
            return
        starts = np.arange(self.config.levels) * self.config.codes + OFFSET - 1
        given = (codes + starts).astype(np.int32)[:, None]
        started = np.concatenate([np.zeros_like(given[:1]), given])
        for name, ids in (("prefilled", started), ("prefilled_app", given)):
            self._run(name, network.run(numbers[:, None], _greedy(1), ids))

    def _guided(self, network: RecordedMagentaRt2, numbers: np.ndarray) -> None:
        scales = self.arrays.get("guided_scales")
        if scales is None:
            return
        rows = np.stack([numbers] * GUIDED_ROWS, axis=1)
        styles, pitches = self.config.style_levels, self.config.pitches
        rows[:, 1, :styles] = -1
        rows[:, 2, styles : styles + pitches] = -1
        run = network.run(rows, _greedy(1)._replace(guidance=scales[:, None]))
        self._run("guided", run, row=slice(None))

    def _rows(self, network: RecordedMagentaRt2, numbers: np.ndarray) -> None:
        names = ("rows_blocks", "rows_temperature", "rows_top_k", "rows_noise")
        if not all(name in self.arrays for name in names):
            return
        blocks, temperature, top_k, noise = (self.arrays[name] for name in names)
        run = network.run(blocks - OFFSET, RunSettings(temperature, top_k, noise))
        self._run("rows", run, row=slice(None), streams=slice(None))

    def _run(self, name: str, run: Run, row: int | slice = 0, streams: int | slice = 0) -> None:
        self._same(f"{name}_tokens", np.stack(run.ids)[:, streams])
        self._close(f"{name}_logits", _logits(run)[:, :, row], LOGITS)

    def _same(self, name: str, result: np.ndarray) -> None:
        if name in self.arrays:
            self.ledger.compare_exactly(self.keys[name], result)

    def _close(self, name: str, result: np.ndarray, tolerance: float, note: str = "") -> None:
        if name in self.arrays:
            self.ledger.compare(self.keys[name], result, tolerance, note)


def _logits(run: Run) -> np.ndarray:
    return np.stack(run.logits)


def _greedy(rows: int) -> RunSettings:
    return RunSettings(np.zeros(rows), np.zeros(rows))


def check(recording: OriginalRecording, source: ArraySource, ledger: Ledger) -> None:
    """Runs the frame model on every recorded input and compares the results.

    Args:
        recording: a recording of a Magenta RealTime 2.
        source: its weights.
        ledger: collects the rows.

    Raises:
        VerifyError: config.json does not describe a frame model.
        WeightsError: the weights do not fit the config.
    """
    config, codec = _configs(recording)
    checker = MagentaRt2Check(recording, ledger, config)
    checker.list_arrays()
    checker.check_runs(RecordedMagentaRt2(config, source))
    rounded = replace(config, activation_dtype="bfloat16")
    checker.check_bfloat16(RecordedMagentaRt2(rounded, source))
    checker.check_audio(source, codec)


def _configs(recording: OriginalRecording) -> tuple[MagentaRt2Config, SpectroStreamConfig]:
    where = recording.folder / "config.json"
    try:
        config = MagentaRt2Config.from_json(recording.config)
        table = recording.config.get("codec", {})
        if not isinstance(table, dict):
            raise ValueError(f"codec must be a JSON object, got {table!r}")
        sizes = {ours: table[key] for key, ours in CODEC_KEYS.items() if key in table}
        return config, SpectroStreamConfig(**sizes)
    except (TypeError, ValueError) as error:
        raise VerifyError(f"{where}: {error}") from error
