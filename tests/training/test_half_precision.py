"""Rounding of weights to float16."""

import numpy as np
import pytest

from soundstage.training.half_precision import ExportError, as_float16


def test_vectors_stay_float32_only_if_requested():
    arrays = {"kernel": np.ones((2, 3), np.float32), "bias": np.ones(3, np.float32)}
    assert {array.dtype.name for array in as_float16(arrays).values()} == {"float16"}
    kept = as_float16(arrays, keep_vectors=True)
    assert (kept["kernel"].dtype, kept["bias"].dtype) == (np.float16, np.float32)


@pytest.mark.parametrize("value", [1e5, np.inf, np.nan])
def test_value_beyond_float16_is_refused_by_name(value):
    with pytest.raises(ExportError, match="kernel holds values"):
        as_float16({"kernel": np.full((2, 2), value, np.float32)})
