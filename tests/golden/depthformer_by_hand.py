"""The Depthformer spec in NumPy, in float64, without any code of the network that it checks.

Every step computes everything again, without caches: slow, and hard to get wrong.
"""

import numpy as np

BOS, CODEC_OFFSET = 0, 2


def norm(x, scale):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + 1e-6) * scale


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


class DepthformerByHand:
    """The network for one row at a time; `weights` maps published names to arrays."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = {name: array.astype(np.float64) for name, array in weights.items()}

    def attention(self, name, x, source, bias, mask):
        heads = self.config["num_heads"]

        def parts(kind, values):
            return (values @ self.weights[f"{name}/{kind}/kernel"]).reshape(len(values), heads, -1)

        q, k, v = parts("query", x), parts("key", source), parts("value", source)
        scores = np.einsum("qhd,khd->hqk", q, k) + bias
        weights = softmax(np.where(mask, scores, -np.inf))
        mixed = np.einsum("hqk,khd->qhd", weights, v).reshape(len(x), -1)
        return mixed @ self.weights[f"{name}/out/kernel"]

    def mlp(self, name, x):
        wi_0, wi_1, wo = (self.weights[f"{name}/{k}/kernel"] for k in ("wi_0", "wi_1", "wo"))
        return (gelu(x @ wi_0) * (x @ wi_1)) @ wo

    def scale(self, name):
        return self.weights[f"{name}/scale"]

    def encode(self, tokens):
        table = self.weights["token_embedder/embedding"]
        half = table.shape[1] // 2
        divisor = np.exp(-np.arange(half) * np.log(10000.0) / (half - 1))
        angle = np.arange(len(tokens))[:, None] * divisor
        x = table[tokens] + np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
        for i in range(self.config["num_encoder_layers"]):
            layer = f"encoder/layers_{i}"
            y = norm(x, self.scale(f"{layer}/pre_attention_layer_norm"))
            x = x + self.attention(f"{layer}/attention", y, y, 0.0, True)
            y = norm(x, self.scale(f"{layer}/pre_mlp_layer_norm"))
            x = x + self.mlp(f"{layer}/mlp", y)
        return norm(x, self.scale("encoder/encoder_norm"))

    def causal(self, table, time):
        distance = np.arange(time)[:, None] - np.arange(time)[None]
        return self.weights[table][:, np.maximum(distance, 0)], distance >= 0

    def temporal(self, encoded, ids):
        """The temporal stack's output for every frame of `ids`."""
        table = self.weights["token_embedder/embedding"]
        x = np.concatenate([table[BOS][None], table[ids[:-1]].mean(axis=1)])
        stack = "decoder/decoder/temporal_decoder"
        bias, mask = self.causal(f"{stack}/relpos_bias/rel_embedding", len(x))
        for i in range(self.config["num_temporal_layers"]):
            layer = f"{stack}/layers_{i}"
            y = norm(x, self.scale(f"{layer}/pre_self_attention_layer_norm"))
            x = x + self.attention(f"{layer}/self_attention", y, y, bias, mask)
            y = norm(x, self.scale(f"{layer}/pre_cross_attention_layer_norm"))
            x = x + self.attention(f"{layer}/encoder_decoder_attention", y, encoded, 0.0, True)
            y = norm(x, self.scale(f"{layer}/pre_mlp_layer_norm"))
            x = x + self.mlp(f"{layer}/mlp", y)
        return x

    def depth(self, frame, ids):
        """The depth stack's output for one frame, from its temporal output and its earlier ids."""
        table = self.weights["token_embedder/embedding"]
        x = np.concatenate([frame[None], table[ids]])
        stack = "decoder/decoder/depth_decoder"
        bias, mask = self.causal(f"{stack}/relpos_bias_depth/rel_embedding", len(x))
        for i in range(self.config["num_depth_layers"]):
            layer = f"{stack}/depth_layers_{i}"
            y = norm(x, self.scale(f"{layer}/pre_self_attention_layer_norm"))
            x = x + self.attention(f"{layer}/self_attention", y, y, bias, mask)
            y = norm(x, self.scale(f"{layer}/pre_mlp_layer_norm"))
            x = x + self.mlp(f"{layer}/mlp", y)
        return x

    def head(self, x):
        kernel = self.weights["decoder/logits_dense/kernel"]
        return norm(x, self.scale("decoder/decoder_norm")) @ kernel

    def forced(self, encoded, ids):
        """Temporal [frame, d], depth [frame, level, d] and logits [frame, level, vocabulary]."""
        temporal = self.temporal(encoded, ids)
        pairs = zip(temporal, ids, strict=True)
        depth = np.stack([self.depth(frame, row[:-1]) for frame, row in pairs])
        return temporal, depth, self.head(depth)

    def greedy(self, prompts, weight, frames, own_level):
        """Decodes one chunk for one or, with guidance, two prompts; int [frame, level].

        Also returns the smallest gap between the best and the second-best logit.
        """
        levels, codes = self.config["num_levels"], self.config["codebook_size"]
        encoded = [self.encode(prompt) for prompt in prompts]
        ids = np.zeros((frames, levels), np.int64)
        gap = np.inf
        for frame in range(frames):
            outputs = [self.temporal(e, ids[: frame + 1])[frame] for e in encoded]
            for level in range(levels):
                rows = [self.head(self.depth(x, ids[frame, :level])[level]) for x in outputs]
                logits = (1 + weight) * rows[0] - weight * rows[-1] if weight else rows[0]
                start = CODEC_OFFSET + level * codes if own_level else 0
                stop = start + codes if own_level else len(logits)
                ids[frame, level] = start + logits[start:stop].argmax()
                second, best = np.sort(logits[start:stop])[-2:]
                gap = min(gap, best - second)
        return ids, gap


def depthformer_shapes(c):
    d, inner, vocab = c["embed_dim"], c["num_heads"] * c["head_dim"], c["vocab_size"]
    shapes = {"token_embedder/embedding": (vocab, d), "decoder/logits_dense/kernel": (d, vocab)}

    def attention(name):
        for kind in ("query", "key", "value"):
            shapes[f"{name}/{kind}/kernel"] = (d, inner)
        shapes[f"{name}/out/kernel"] = (inner, d)

    def layer(name, norms, attentions):
        for norm in norms:
            shapes[f"{name}/{norm}/scale"] = (d,)
        for kind in attentions:
            attention(f"{name}/{kind}")
        shapes[f"{name}/mlp/wi_0/kernel"] = shapes[f"{name}/mlp/wi_1/kernel"] = (d, c["mlp_dim"])
        shapes[f"{name}/mlp/wo/kernel"] = (c["mlp_dim"], d)

    own, cross, mlp = (f"pre_{x}_layer_norm" for x in ("self_attention", "cross_attention", "mlp"))
    for i in range(c["num_encoder_layers"]):
        layer(f"encoder/layers_{i}", ("pre_attention_layer_norm", mlp), ("attention",))
    stack = "decoder/decoder/temporal_decoder"
    for i in range(c["num_temporal_layers"]):
        kinds = ("self_attention", "encoder_decoder_attention")
        layer(f"{stack}/layers_{i}", (own, cross, mlp), kinds)
    shapes[f"{stack}/relpos_bias/rel_embedding"] = (c["num_heads"], 128)
    stack = "decoder/decoder/depth_decoder"
    for i in range(c["num_depth_layers"]):
        layer(f"{stack}/depth_layers_{i}", (own, mlp), ("self_attention",))
    shapes[f"{stack}/relpos_bias_depth/rel_embedding"] = (c["num_heads"], 16)
    shapes["encoder/encoder_norm/scale"] = shapes["decoder/decoder_norm/scale"] = (d,)
    return shapes
