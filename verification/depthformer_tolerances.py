"""The differences allowed between two correct Depthformers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from soundstage.stages.weights.array_source import ArraySource
from soundstage.verification.depthformer_network import RecordedDepthformer

# Tolerances of the README for the recorded network, absolute and as a share of its largest value;
# "stream" is between encoder and logits.
FLOORS = {"encoder": 2e-5, "stream": 1e-4, "logits": 2e-4, "logsumexp": 2e-5}
SHARES = {"encoder": 5e-6, "stream": 2e-5, "logits": 2e-5, "logsumexp": 1.6e-6}
BFLOAT16_SHARES = {"encoder": 0.05, "stream": 0.25, "logits": 0.25, "logsumexp": 0.05}
BFLOAT16_RMS = 0.1
# Both arrays of a comparison have errors, and the largest of many errors is a rare one.
FLOAT32_MARGIN, BFLOAT16_MARGIN = 6.0, 3.0
# Upper bounds for badly conditioned networks: unrelated arrays differ by 1.4 of their root mean
# square, and by up to twice their largest value.
FLOAT32_MOST, BFLOAT16_MOST, BFLOAT16_RMS_MOST = 0.01, 1.2, 0.7
PSEUDO_FRAMES = 2


@dataclass(frozen=True)
class Tolerances:
    """The differences allowed, by kind of array.

    In float32 the tolerance is the README's figure, or its share of the largest recorded value. In
    bfloat16 a harmless change of rounding moves single logits by 0.3 to 1.2 of 10 (the numerics
    spec, "What the recordings can and cannot catch") and their root mean square by 2 %. A wrong
    rule moves the root mean square by 20 % and more. So single values may differ by a quarter of
    the largest, and the root mean square by a tenth.

    Random networks with wide heads have sharp softmaxes, which amplify rounding far beyond that. So
    the network also runs with other rounding errors, and the change, times a margin, is allowed.

    Attributes:
        bfloat16: whether activations are bfloat16.
        changes: per kind, the largest change by other rounding, as a share of the largest value.
        rms_changes: per kind, the same for root mean squares.
    """

    bfloat16: bool
    changes: Mapping[str, float] = field(default_factory=dict)
    rms_changes: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def measured(
        cls,
        network: RecordedDepthformer,
        source: ArraySource,
        prompts: np.ndarray | None,
        targets: np.ndarray | None,
    ) -> "Tolerances":
        """Measures the effect of other rounding on recorded inputs.

        Without usable inputs, only the README's figures apply.

        Args:
            network: the network to check.
            source: its weights.
            prompts: int [row, S]; None = not recorded.
            targets: int [row, step]; None = pseudo-random ones.
        """
        bfloat16 = network.config.activation_dtype == "bfloat16"
        if prompts is None:
            return cls(bfloat16)
        if targets is None:
            steps = PSEUDO_FRAMES * network.config.num_levels
            random = np.random.default_rng(0)
            targets = random.integers(2, network.config.vocab_size, (len(prompts), steps))
        try:
            ours = _outputs(network, prompts, targets)
        except ValueError:
            return cls(bfloat16)  # the comparisons that need these inputs report the error
        others = _outputs(network.rounded_otherwise(source), prompts, targets)
        changes, rms_changes = {}, {}
        for kind, array in ours.items():
            difference = others[kind] - array
            changes[kind] = float(np.abs(difference).max()) / float(np.abs(array).max())
            rms_changes[kind] = rms(difference) / rms(array)
        return cls(bfloat16, changes, rms_changes)

    def of(self, kind: str, recorded: np.ndarray) -> float:
        """Returns the largest difference allowed in an array of a kind."""
        largest = float(np.abs(recorded).max(initial=0.0))
        change = self.changes.get(kind, 0.0)
        if self.bfloat16:
            share = max(BFLOAT16_SHARES[kind], BFLOAT16_MARGIN * change)
            return min(share, BFLOAT16_MOST) * largest
        share = max(SHARES[kind], FLOAT32_MARGIN * change)
        return max(FLOORS[kind], min(share, FLOAT32_MOST) * largest)

    def rms(self, kind: str) -> float:
        """Returns the largest relative root mean square of the difference, for bfloat16."""
        change = self.rms_changes.get(kind, 0.0)
        return min(max(BFLOAT16_RMS, BFLOAT16_MARGIN * change), BFLOAT16_RMS_MOST)


def rms(array: np.ndarray) -> float:
    """Returns the root mean square of all elements."""
    return float(np.sqrt(np.mean(np.square(array.astype(np.float64)))))


def _outputs(
    network: RecordedDepthformer, prompts: np.ndarray, targets: np.ndarray
) -> dict[str, np.ndarray]:
    temporal, _, normed = network.forced(prompts, targets)
    step = normed.reshape(len(normed), -1, normed.shape[-1])[:, -1]
    return {
        "encoder": network.encode(prompts),
        "stream": temporal,
        # The last step only: the logits of all steps would take too much memory.
        "logits": step @ network.head,
        "logsumexp": network.logsumexp(normed),
    }
