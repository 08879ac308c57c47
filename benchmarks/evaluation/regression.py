"""The regressions of the probes, small and deterministic: softmax and ridge."""

from dataclasses import dataclass

import numpy as np

STEPS = 400
NEWTON_STEPS = 30
LEAST_STEP = 1e-9
# Least divisor of a feature, so that almost constant features are not amplified.
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Scale:
    """Scales features so that the windows it was fitted to have mean 0 and spread 1.

    Attributes:
        mean: float64 [feature].
        spread: float64 [feature], above 0.
    """

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray) -> "Scale":
        """Fits to float [..., feature]."""
        flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
        return cls(flat.mean(axis=0), flat.std(axis=0) + LEAST_SPREAD)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Scales float [..., feature]."""
        return (features - self.mean) / self.spread


def softmax(scores: np.ndarray) -> np.ndarray:
    """Returns probabilities along the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def fit_softmax(features: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Fits a multinomial logistic regression, by accelerated gradient descent from zero.

    Args:
        features: float [window, feature], scaled; a constant one gives an intercept.
        targets: float [window, class], rows sum to 1.
        penalty: the penalty of the squared weights, above 0.

    Returns:
        float64 [feature, class]: scores are `features @ weights`.
    """
    count = len(features)
    step = 1 / (0.5 * np.linalg.norm(features, 2) ** 2 / count + penalty)
    weights = ahead = np.zeros((features.shape[1], targets.shape[1]))
    for number in range(STEPS):
        error = softmax(features @ ahead) - targets
        moved = ahead - step * (features.T @ error / count + penalty * ahead)
        ahead = moved + number / (number + 3) * (moved - weights)
        weights = moved
    return weights


def fit_shared_softmax(features: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Fits a softmax over candidates with the same weights for all, by Newton's method.

    Args:
        features: float [window, candidate, feature], scaled.
        targets: float [window, candidate], rows sum to 1.
        penalty: the penalty of the squared weights, above 0.

    Returns:
        float64 [feature]: scores are `features @ weights`.
    """
    count, size = len(features), features.shape[-1]

    def loss(weights: np.ndarray) -> float:
        likelihood = np.log(softmax(features @ weights) + 1e-300)
        return float(penalty / 2 * weights @ weights - (targets * likelihood).sum() / count)

    weights = np.zeros(size)
    for _ in range(NEWTON_STEPS):
        shares = softmax(features @ weights)
        means = np.einsum("nc,ncf->nf", shares, features)
        flat = (np.sqrt(shares)[:, :, None] * features).reshape(-1, size)
        curvature = (flat.T @ flat - means.T @ means) / count + penalty * np.eye(size)
        slope = np.tensordot(shares - targets, features, axes=2) / count + penalty * weights
        step = np.linalg.solve(curvature, slope)
        # Far from the minimum a full step may overshoot.
        while loss(weights - step) > loss(weights) and np.abs(step).max() > LEAST_STEP:
            step = step / 2
        weights = weights - step
        if np.abs(step).max() <= LEAST_STEP:
            break
    return weights


def fit_ridge(features: np.ndarray, targets: np.ndarray, penalty: float) -> np.ndarray:
    """Fits a ridge regression: least squares with a penalty.

    Args:
        features: float [window, feature], scaled.
        targets: float [window], mean 0.
        penalty: the penalty of the squared weights, above 0.

    Returns:
        float64 [feature].
    """
    count, size = features.shape
    gram = features.T @ features / count + penalty * np.eye(size)
    return np.linalg.solve(gram, features.T @ targets / count)
