"""The stage that samples the tokens of the next chunk with the Depthformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import numpy as np

from soundstage.graph.format import Format
from soundstage.graph.port import Port
from soundstage.stages.depthformer.choice import ByFunction, Choose, Chooser
from soundstage.stages.depthformer.conditions import FREE, Conditions
from soundstage.stages.depthformer.config import Size, config_of_size
from soundstage.stages.depthformer.loading import load_depthformer
from soundstage.stages.depthformer.sampler import ChunkSampler
from soundstage.stages.ports import BEATS, CHOICE_INPUTS, PROMPT, SAMPLE_INPUTS, SOUND, TOKENS
from soundstage.stages.precision import (
    Precision,
    Products,
    activation_type,
    check_device,
    check_precision,
    form_note,
    packed_type,
    uses_packed,
    without_numba,
)
from soundstage.stages.row_groups import RowGroups, cores
from soundstage.stages.rvq import check_codes
from soundstage.stages.settings_checks import check_weights_setting
from soundstage.stages.weights.networks import Network
from soundstage.stages.weights.published.missing import lacking
from soundstage.stages.weights.sources import closing_source

if TYPE_CHECKING:
    from soundstage.stages.depthformer.model import Depthformer


@dataclass(frozen=True)
class SampleParams:
    """Settings of `Sample`.

    Attributes:
        weights: `random:SEED`, a path, or the name of a model; see
            `stages.weights.sources.open_source`.
        size: "tiny" (for tests), "demo", "base" or "large".
        dtype: type of the activations; "auto" is bfloat16 on accelerators, float32 elsewhere.
            "int8", for CPUs: weights are rounded to 8 bits with a scale an output, and what they
            multiply to 16 bits with a scale a position; it needs the extra `cpu`. "bfloat16" with
            packed products: the decoders' weights alone are rounded.
        products: who multiplies in the decoders, and with int8 in the encoder, too: "xla",
            "packed", or "fused". "packed", for CPUs: kernels that read packed weights once for all
            rows, from the extra `cpu`. "fused", for GPUs: half as many kernels, each of which reads
            its weights once. "auto" is "packed" with int8, else "xla". They round differently.

    Raises:
        ValueError: a value is not one of these.
    """

    weights: str
    size: Size = "base"
    dtype: Precision = "auto"
    products: Products = "auto"

    def __post_init__(self) -> None:
        config_of_size(self.size)
        check_precision(self.dtype, self.products)
        check_weights_setting(self.weights)


def _sampler(
    params: SampleParams, network: Network[Depthformer], frames: int, chooser: Chooser | None
) -> Callable[..., np.ndarray]:
    if not uses_packed(params.dtype, params.products):
        return ChunkSampler(network, frames, chooser=chooser, fused=params.products == "fused")
    if chooser is not None:
        raise ValueError(
            'packed products do not call choose: write dtype = "float32" and products = "xla"'
        )
    try:
        from soundstage.stages.depthformer.packed.packed_chunk_sampler import PackedChunkSampler
    except ModuleNotFoundError as error:
        raise without_numba(error) from error
    return PackedChunkSampler(network, frames, packed_type(params.dtype))


class _Sampling:
    """A loaded network and its sampler.

    Attributes:
        choose: a subclass may have a function here that chooses a code; see
            `stages.depthformer.choice.ByFunction`. None = a sample of the softmax.
    """

    Params: ClassVar[type] = SampleParams
    outputs: ClassVar[dict[str, Port]] = {"tokens": TOKENS}
    lacking = staticmethod(lacking)
    choose: ClassVar[Any] = None
    # The name of the stage for networks of the other kind.
    _other: ClassVar[str]
    # Whether the network reads the past in its decoder, and conditions.
    _reads_past_in_decoder: ClassVar[bool]

    def __init__(self, params: SampleParams, format: Format, device: jax.Device) -> None:
        config = config_of_size(params.size).fitted(format)
        if bool(config.past_levels) != self._reads_past_in_decoder:
            raise ValueError(f"networks of size {params.size!r} need the stage {self._other}")
        check_device(params.dtype, params.products, device.platform)
        config = replace(
            config, activation_dtype=activation_type(params.dtype, params.products, device.platform)
        )
        with closing_source(params.weights) as source:
            network, self.weights_digest, note = load_depthformer(config, source, device)
        self.weights_note = note + form_note(params.dtype, params.products)
        self._frames = format.dims["frame"]
        self._codes = config.codebook_size
        chooser = None if self.choose is None else _checked(self.choose, self._codes)
        self._sampler = _sampler(params, network, self._frames, chooser)
        # An accelerator computes all rows in hardly more time than one, and packed products share
        # the cores among themselves.
        alone = device.platform != "cpu" or uses_packed(params.dtype, params.products)
        self._groups = RowGroups(1 if alone else cores())

    def _sampled(
        self, function: Callable[..., np.ndarray], arguments: Mapping[str, np.ndarray]
    ) -> np.ndarray:
        tokens = self._groups(function, arguments)
        if self.choose is not None:
            check_codes(tokens, self._codes)
        return tokens


class Sample(_Sampling):
    """Samples the codec tokens of the next chunk with the Depthformer, guided by the style.

    Inputs:
        prompt: int32 [row, prompt_token]; the past and the style, as `Vocabulary.pack` returns it.
        unprompted: int32 [row, prompt_token]; the same past without the style.
        temperature: float32 [row], >= 0; 0 = greedy.
        top_k: int32 [row], >= 0; 0 = no cut.
        guidance: float32 [row], >= 0; 0 = off.
        seed: int64 [row], >= 0.
        chunk: int64 [row], >= 0; index of the chunk. All randomness follows from seed and chunk.
        top_p: float32 [row], in [0, 1]; the likeliest codes whose probabilities sum to this share
            are considered, 1 = all. May be left unwired, like the next two.
        min_p: float32 [row], in [0, 1]; codes less than this times as likely as the likeliest are
            not considered, 0 = all are.
        repetition: float32 [row], in [-10, 10]; is subtracted from the logit of a code for each
            time that its level chose the code before in the chunk, 0 = off.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).

    Raises:
        ValueError: at construction, the size is for `SampleOnBeat`.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = SAMPLE_INPUTS | CHOICE_INPUTS
    _other: ClassVar[str] = "SampleOnBeat"
    _reads_past_in_decoder: ClassVar[bool] = False

    def __call__(
        self,
        prompt: np.ndarray,
        unprompted: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        guidance: np.ndarray,
        seed: np.ndarray,
        chunk: np.ndarray,
        top_p: np.ndarray | None = None,
        min_p: np.ndarray | None = None,
        repetition: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Samples one chunk of every row; compiles at the first call for a number of rows."""
        arguments = {
            "prompt": prompt,
            "unprompted": unprompted,
            "temperature": temperature,
            "top_k": top_k,
            "guidance": guidance,
            "seed": seed,
            "chunk": chunk,
            **_wired({"top_p": top_p, "min_p": min_p, "repetition": repetition}),
        }
        return {"tokens": self._sampled(self._sampler, arguments)}


class SampleOnBeat(_Sampling):
    """Samples the codec tokens of the next chunk to a beat, guided by style and sound.

    Its network reads the past, and the beat of every frame, in its temporal decoder.

    Inputs:
        prompt: int32 [row, prompt_token]; the past and the style, as `PackOnBeat` returns it.
        unprompted: int32 [row, prompt_token]; the same past without the style.
        beats: float32 [row, window_frame]; the number of the beat at each frame of the past and of
            the chunk, in [0, 12); -1 = free. Guidance steers away from free beats: without it a
            small network plays a beat that is hardly heard.
        sound: float32 [row, sound_number]; density, brightness and drums of the chunk, in [0, 1];
            -1 = free. Guidance steers away from free values.
        temperature: float32 [row], >= 0; 0 = greedy.
        top_k: int32 [row], >= 0; 0 = no cut.
        guidance: float32 [row], >= 0; 0 = off.
        seed: int64 [row], >= 0.
        chunk: int64 [row], >= 0; index of the chunk. All randomness follows from seed and chunk.
        top_p: float32 [row], in [0, 1]; the likeliest codes whose probabilities sum to this share
            are considered, 1 = all. May be left unwired, like the next two.
        min_p: float32 [row], in [0, 1]; codes less than this times as likely as the likeliest are
            not considered, 0 = all are.
        repetition: float32 [row], in [-10, 10]; is subtracted from the logit of a code for each
            time that its level chose the code before in the chunk, 0 = off.

    Outputs:
        tokens: int32 [row, frame, level], in [0, codebook_size).

    Raises:
        ValueError: at construction, the size is for `Sample`.
        WeightsError: the weights cannot be used.
    """

    inputs: ClassVar[dict[str, Port]] = {
        "prompt": PROMPT,
        "unprompted": PROMPT,
        "beats": BEATS,
        "sound": SOUND,
        **{name: port for name, port in SAMPLE_INPUTS.items() if port is not PROMPT},
        **CHOICE_INPUTS,
    }
    _other: ClassVar[str] = "Sample"
    _reads_past_in_decoder: ClassVar[bool] = True

    def __call__(
        self,
        prompt: np.ndarray,
        unprompted: np.ndarray,
        beats: np.ndarray,
        sound: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        guidance: np.ndarray,
        seed: np.ndarray,
        chunk: np.ndarray,
        top_p: np.ndarray | None = None,
        min_p: np.ndarray | None = None,
        repetition: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """Samples one chunk of every row; compiles at the first call for a number of rows."""
        arguments = {
            "prompt": prompt,
            "unprompted": unprompted,
            "beats": beats,
            "sound": sound,
            "temperature": temperature,
            "top_k": top_k,
            "guidance": guidance,
            "seed": seed,
            "chunk": chunk,
            **_wired({"top_p": top_p, "min_p": min_p, "repetition": repetition}),
        }
        return {"tokens": self._sampled(self._conditioned, arguments)}

    def _conditioned(
        self,
        prompt: np.ndarray,
        unprompted: np.ndarray,
        beats: np.ndarray,
        sound: np.ndarray,
        temperature: np.ndarray,
        top_k: np.ndarray,
        guidance: np.ndarray,
        seed: np.ndarray,
        chunk: np.ndarray,
        top_p: np.ndarray | None = None,
        min_p: np.ndarray | None = None,
        repetition: np.ndarray | None = None,
    ) -> np.ndarray:
        free = np.full((*beats.shape, sound.shape[-1]), FREE, np.float32)
        asked = free.copy()
        asked[:, -self._frames :] = sound[:, None]
        conditions = Conditions(beats, asked), Conditions(np.full_like(beats, FREE), free)
        return self._sampler(
            prompt,
            unprompted,
            temperature,
            top_k,
            guidance,
            seed,
            chunk,
            conditions,
            top_p,
            min_p,
            repetition,
        )


def _checked(choose: Choose, codes: int) -> Chooser:
    """Returns the chooser of a subclass's function.

    Raises:
        ValueError: the function does not return one whole number.
    """
    logits = jax.ShapeDtypeStruct((codes,), np.float32)
    result = jax.eval_shape(choose, logits, jax.random.key(0))
    shape, dtype = getattr(result, "shape", None), getattr(result, "dtype", None)
    if shape != () or not np.issubdtype(dtype, np.integer):
        raise ValueError(
            f"choose must return a code, one whole number, got {type(result).__name__} of shape "
            f"{shape} and dtype {dtype}"
        )
    return ByFunction(choose)


def _wired(inputs: Mapping[str, np.ndarray | None]) -> dict[str, np.ndarray]:
    return {name: value for name, value in inputs.items() if value is not None}
