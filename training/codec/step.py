"""One step of a codec's training."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from soundstage.training.codec.audio_batches import AudioBatch
from soundstage.training.codec.codebooks import Books, Quantized, follow, perplexity, quantize
from soundstage.training.codec.kmeans import fit_codebooks
from soundstage.training.codec.losses import commitment, reconstruction
from soundstage.training.codec.network import CodecStructure
from soundstage.training.codec.settings import CodecTraining
from soundstage.training.crops import Crops
from soundstage.training.optimizer import TrainState, update

Parts = dict[str, nnx.State]


class CodecState(NamedTuple):
    """The trained parts, the frozen parts and the codebooks.

    Attributes:
        train: its params are the trained parts among encoder and decoder.
        fixed: the frozen parts among encoder and decoder.
        books: the codebooks.
    """

    train: TrainState
    fixed: Parts
    books: Books

    @property
    def best(self) -> Parts:
        """Encoder and decoder to use, with averaged weights if they are kept."""
        return {**self.fixed, **self.train.best}


class CodecStep:
    """The step function for `training.loop.train`, compiled once.

    Args:
        settings: the settings of the run.
        crops: crops of the corpus, to fit the codebooks to.
    """

    def __init__(self, settings: CodecTraining, crops: Crops) -> None:
        self._settings, self._crops = settings, crops
        self._network = CodecStructure(settings.config)
        self._jit_step = jax.jit(self._step, donate_argnums=0)
        self._jit_embed = jax.jit(
            lambda weights, audio: self._network.encode(weights, self._network.features(audio))
        )

    def __call__(
        self, state: CodecState, batch: AudioBatch
    ) -> tuple[CodecState, dict[str, jax.Array]]:
        """Takes a step; before step `books_step`, fits the codebooks."""
        if batch.step == self._settings.books_step:
            state = state._replace(books=self._fitted_books(state))
        return self._jit_step(state, batch._replace(step=np.int32(0)))

    def _fitted_books(self, state: CodecState) -> Books:
        settings, config = self._settings, self._settings.config
        crops = -(-settings.survey_vectors * config.codes // settings.frames)
        embeddings = []
        for start in range(0, crops, settings.rows):
            rows = range(settings.rows + start, settings.rows + start + settings.rows)
            audio = np.stack([self._crops.crop(settings.books_step or 0, row) for row in rows])
            embeddings.append(np.asarray(self._jit_embed(state.best["encoder"], audio)))
        vectors = np.concatenate(embeddings).reshape(-1, config.features)
        seed = jnp.int32(settings.seed)
        embedding = fit_codebooks(jnp.asarray(vectors), seed, config.levels, config.codes)
        counts = state.books.counts
        return Books(embedding, counts, embedding * counts[..., None])

    def _step(
        self, state: CodecState, batch: AudioBatch
    ) -> tuple[CodecState, dict[str, jax.Array]]:
        loss = partial(self._loss, state.fixed, state.books.embedding, batch)
        differentiated = jax.value_and_grad(loss, has_aux=True)
        (value, (metrics, quantized, used)), gradients = differentiated(state.train.params)
        train = update(state.train, gradients, self._settings.optimizer)
        books = self._moved_books(state.books, quantized, used, batch)
        used_codes = perplexity(books.counts)
        metrics |= {
            "loss": value,
            "gradient_norm": optax.tree.norm(gradients),
            "perplexity_first": used_codes[0],
            "perplexity_last": used_codes[-1],
        }
        return CodecState(train, state.fixed, books), metrics

    def _moved_books(
        self, books: Books, quantized: Quantized, used: jax.Array, batch: AudioBatch
    ) -> Books:
        if "quantizer" in self._settings.freeze:
            return books
        moved = follow(
            books, quantized, used, jnp.asarray(batch.revive), self._settings.books_decay
        )
        return jax.tree.map(lambda new, old: jnp.where(batch.quantized > 0, new, old), moved, books)

    def _loss(
        self, fixed: Parts, embedding: jax.Array, batch: AudioBatch, trained: Parts
    ) -> tuple[jax.Array, tuple[dict[str, jax.Array], Quantized, jax.Array]]:
        network, losses = self._network, self._settings.losses
        parts = {**fixed, **trained}
        audio = jnp.asarray(batch.audio)
        target = network.features(audio)
        embeddings = network.encode(parts["encoder"], target)
        vectors = embeddings.reshape(-1, embeddings.shape[-1])
        quantized = quantize(jax.lax.stop_gradient(vectors), embedding)
        levels = jnp.repeat(batch.levels, embeddings.shape[1])  # [vector]
        used = jnp.arange(len(embedding))[:, None] < levels[None]
        decoded = quantized.sums[levels - 1, jnp.arange(len(levels))]
        # Straight-through estimator: the decoder gets the codes' vectors, the encoder its gradient.
        through = vectors + batch.quantized * jax.lax.stop_gradient(decoded - vectors)
        features = network.decode(parts["decoder"], through.reshape(embeddings.shape))
        hop = network.config.hop_samples  # the inverse STFT fades the first hop in
        loss, metrics = reconstruction(
            features,
            network.audio(features)[:, hop:],
            target,
            audio[:, hop:],
            network.config.sample_rate_hz,
            losses,
        )
        metrics["commitment"] = batch.quantized * commitment(vectors, quantized.sums, used)
        return loss + losses.commitment * metrics["commitment"], (metrics, quantized, used)
