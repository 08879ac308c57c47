"""Compares the Depthformer with recordings of the original.

The arrays are described in the README of the Depthformer recording and at the end of the numerics
spec.
"""

import hashlib
import re

import numpy as np

from soundstage.stages.depthformer.config import DepthformerConfig
from soundstage.stages.weights.array_source import ArraySource
from soundstage.verification.depthformer_network import RecordedDepthformer
from soundstage.verification.depthformer_runs import DecodeCheck
from soundstage.verification.depthformer_tolerances import Tolerances, rms
from soundstage.verification.recording import Ledger, OriginalRecording, VerifyError, guarded

# The arrays that the README lists; the suffix "_fresh" means an empty past.
LAYOUT = [
    name.format(past)
    for name in (
        "encoder_tokens{}",
        "encoder_out{}",
        "greedy_w0{}",
        "greedy_w5{}",
        "greedy_own_level_w5{}",
    )
    for past in ("", "_fresh")
] + ["encoder_out_rows", "target_tokens", "logit_steps", "own_level_logits", "logsumexp"]
INPUTS = (
    r"encoder_tokens(_fresh)?|encoder_out_rows|target_tokens|logit_steps|probe_ids"
    r"|forced_full_steps|\w+_id\d+_column"
)
MISSING = "not in the recording"


class DepthformerCheck:
    """The comparisons of one recording; arrays are found by name in any file."""

    def __init__(
        self,
        recording: OriginalRecording,
        ledger: Ledger,
        network: RecordedDepthformer,
        source: ArraySource,
    ) -> None:
        self.ledger = ledger
        self.network = network
        self.keys = {name.split("/")[1]: name for name in recording.arrays}
        self.arrays = {name: recording.arrays[key] for name, key in self.keys.items()}
        self.bfloat16 = network.config.activation_dtype == "bfloat16"
        prompts = self.arrays.get("encoder_tokens", self.arrays.get("encoder_tokens_fresh"))
        self.tolerances = Tolerances.measured(
            network, source, prompts, self.arrays.get("target_tokens")
        )

    def list_inputs(self) -> None:
        """Lists the arrays that are inputs, and those that the recording lacks."""
        for name in self.arrays:
            if re.fullmatch(INPUTS, name):
                self.ledger.skip([self.keys[name]], "an input")
        self.ledger.skip([name for name in LAYOUT if name not in self.arrays], MISSING)

    def check_encoder(self) -> None:
        """Compares encoder outputs, whole and at the recorded positions."""
        for past, long in (("", "ctx"), ("_fresh", "fresh")):
            names = [f"encoder_out{past}", f"encoder_full_{long}"]
            present = self._needed(names, f"encoder_tokens{past}")
            if not present:
                continue
            with guarded(self.ledger, [self.keys[name] for name in present]):
                encoded = self.network.encode(self.arrays[f"encoder_tokens{past}"])
                self.compare(names[1], encoded, "encoder")
                if names[0] in present and self._needed(names[:1], "encoder_out_rows"):
                    rows = self.arrays["encoder_out_rows"]
                    self.compare(names[0], encoded[:, rows], "encoder")

    def check_forced(self) -> None:
        """Compares the results of teacher forcing on `target_tokens`."""
        names = ["own_level_logits", "logsumexp"]
        names += [name for name in self.arrays if re.fullmatch(r"forced_\w+(?<!_dtype)", name)]
        names = [name for name in names if not re.fullmatch(INPUTS, name)]
        present = self._needed(self._needed(names, "target_tokens"), "encoder_tokens")
        if not present:
            return
        with guarded(self.ledger, [self.keys[name] for name in present]):
            targets = self.arrays["target_tokens"]
            temporal, depth, normed = self.network.forced(self.arrays["encoder_tokens"], targets)
            self.compare("forced_temporal_decoder", temporal, "stream")
            self.compare("forced_depth_decoder", _flat(depth), "stream")
            self.compare("forced_decoder_norm", _flat(normed), "stream")
            logsumexp = _flat(self.network.logsumexp(normed))
            self.compare("logsumexp", logsumexp, "logsumexp")
            self.compare("forced_logsumexp", logsumexp, "logsumexp")
            self._logits(normed)
            self._argmax(_flat(normed))

    def _logits(self, normed: np.ndarray) -> None:
        if self._needed(["own_level_logits"], "logit_steps"):
            own = _flat(self.network.own_level_logits(normed))
            self.compare("own_level_logits", own[:, self.arrays["logit_steps"]], "logits")
        normed = _flat(normed)
        if self._needed(["forced_probe_logits"], "probe_ids"):
            probes = normed @ self.network.head[:, self.arrays["probe_ids"]]
            self.compare("forced_probe_logits", probes, "logits")
        if self._needed(["forced_full_logits"], "forced_full_steps"):
            whole = normed[:, self.arrays["forced_full_steps"]] @ self.network.head
            self.compare("forced_full_logits", whole, "logits")

    def _argmax(self, normed: np.ndarray) -> None:
        """Compares the choices of the largest logit, in which near ties may differ."""
        recorded = self.arrays.get("forced_argmax")
        if recorded is None:
            return
        key = self.keys["forced_argmax"]
        if recorded.shape != normed.shape[:2]:
            self.ledger.fail([key], f"recorded {list(recorded.shape)}, ours {normed.shape[:2]}")
            return
        steps = [normed[:, step] @ self.network.head for step in range(normed.shape[1])]
        chosen = [row[np.arange(len(row)), recorded[:, i]] for i, row in enumerate(steps)]
        gaps = np.stack([row.max(axis=-1) for row in steps], 1) - np.stack(chosen, 1)
        largest = max(float(np.abs(row).max()) for row in steps)
        tie = 2 * self.tolerances.of("logits", np.array(largest))
        equal = float((gaps == 0).mean())
        note = f"{equal:.1%} equal, others are near ties" if equal < 1 else ""
        self.ledger.judge(key, int((~(gaps <= tie)).sum()), 0, note)

    def check_weights(self, source: ArraySource) -> None:
        """Compares the checksum of the weights with the recorded one."""
        recorded = self.arrays.get("weights_sha256")
        if recorded is None:
            return
        digest = hashlib.sha256()
        shapes = source.names() or {}
        for name in sorted(shapes):
            digest.update(f"target/{name}".encode())
            digest.update(source.read(name, shapes[name]).tobytes())
        same = digest.hexdigest() == str(recorded)
        note = "" if same else "these are not the weights that were recorded"
        self.ledger.judge(self.keys["weights_sha256"], int(not same), 0, note)

    def list_dtypes(self) -> None:
        """Lists the dtypes of the original's tensors as not checked."""
        names = [key for name, key in self.keys.items() if name.endswith("_dtype")]
        self.ledger.skip(names, "information on the original")

    def compare(self, name: str, result: np.ndarray, kind: str) -> None:
        """Compares an array, if it is recorded."""
        if name not in self.arrays:
            return
        key, recorded = self.keys[name], self.arrays[name].astype(np.float32)
        note = ""
        tolerance = self.tolerances.of(kind, recorded)
        if self.bfloat16 and result.shape == recorded.shape and recorded.size:
            share, limit = (
                rms(result - recorded) / max(rms(recorded), 1e-30),
                self.tolerances.rms(kind),
            )
            note = f"bfloat16; rms {share:.1%} of the recorded, at most {limit:.0%}"
            if not share <= limit:
                self.ledger.fail([key], note)
                return
        self.ledger.compare(key, result, tolerance, note)

    def _needed(self, names: list[str], needed: str) -> list[str]:
        """Returns the recorded names, or skips them and returns none if `needed` is missing."""
        present = [name for name in names if name in self.arrays]
        if needed in self.arrays:
            return present
        self.ledger.skip(self.ledger.open([self.keys[name] for name in present]), f"needs {needed}")
        return []


def _flat(array: np.ndarray) -> np.ndarray:
    """Reshapes [row, frame, level, ...] to [row, step, ...]."""
    return array.reshape(len(array), -1, *array.shape[3:])


def check(recording: OriginalRecording, source: ArraySource, ledger: Ledger) -> None:
    """Runs the Depthformer on every recorded input and compares the results.

    Args:
        recording: a recording of a Depthformer.
        source: its weights.
        ledger: collects the rows.

    Raises:
        VerifyError: config.json does not describe a Depthformer.
        WeightsError: the weights do not fit the config.
    """
    network = RecordedDepthformer.load(_config(recording), source)
    checker = DepthformerCheck(recording, ledger, network, source)
    checker.list_inputs()
    checker.check_weights(source)
    checker.list_dtypes()
    checker.check_encoder()
    checker.check_forced()
    DecodeCheck(checker.arrays, checker.keys, ledger, network, checker.tolerances).check()


def _config(recording: OriginalRecording) -> DepthformerConfig:
    """Reads the sizes; `codebook_size` may be missing in config.json and is then derived."""
    values = dict(recording.config)
    for name, array in recording.arrays.items():
        if name.endswith("/own_level_logits") and array.ndim == 3:
            values.setdefault("codebook_size", array.shape[-1])
    vocabulary, levels = values.get("vocab_size"), values.get("num_levels")
    if type(vocabulary) is type(levels) is int and 0 < levels * 1024 > vocabulary - 2 > levels:
        # Only decodes restricted to own levels depend on it, and this recording has none.
        values.setdefault("codebook_size", (vocabulary - 2) // levels)
    try:
        return DepthformerConfig.from_json(values)
    except ValueError as error:
        raise VerifyError(f"{recording.folder / 'config.json'}: {error}") from error
