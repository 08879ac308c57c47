"""The Magenta RealTime 2 spec in NumPy, in float64, without any code of the network it checks.

The past is a list of keys and values a layer, from which a step takes the last of its window.
"""

import zlib

import numpy as np

BODY = "params/depthformer/decoder"
TEMPORAL = f"{BODY}/temporal_body/transformer/x_layers"
DEPTH = f"{BODY}/depth_body/transformer/x_layers"
ENCODER = "params/depthformer/encoder/body"
STYLE = f"{ENCODER}/layers_1/branched_mulan_embedder/mulan_embedder"
PLACES = f"{ENCODER}/layers_1/branched_regular_embedder/regular_embedder/embedding"
TABLE = f"{BODY}/decoder_embedding/embedding/embedding"


def place_rows(config):
    """The rows of every place but the style's."""
    strengths = [bins + 6 for bins in config["scale_bins"]]
    return [config["note_states"] + 7] * config["pitches"] + [config["drum_states"] + 7] + strengths


def shapes(config):
    """The shape of every array of the frame model."""
    e, style = config["encoder_dim"], config["style"]
    t, d = config["temporal"], config["depth"]
    ids = 6 + config["levels"] * config["codes"]
    made = {
        f"{STYLE}/mulan_dequantizer/embedding": (
            style["levels"] * (style["codes"] + 7),
            style["dim"],
        ),
        f"{STYLE}/depth_input_adapter/kernel": (style["dim"], e),
        PLACES: (-(-sum(place_rows(config)) // 128) * 128, e),
        f"{ENCODER}/encoder_ln/scale": (e,),
        f"{ENCODER}/encoder_ln/bias": (e,),
        TABLE: (ids, t["dim"]),
        f"{BODY}/depth_body/final_ln/scale": (d["dim"],),
        f"{BODY}/depth_body/final_ln/bias": (d["dim"],),
        f"{BODY}/depth_body/to_logits/kernel": (d["dim"], ids),
        f"{BODY}/depth_body/to_logits/bias": (ids,),
    }
    if t["dim"] != d["dim"]:
        made[f"{BODY}/depth_body/depth_input_adapter/kernel"] = (t["dim"], d["dim"])
    for layer in range(t["layers"]):
        made |= attention(f"{TEMPORAL}_{layer}/self_attention", t, t["dim"], config["sinks"])
        made |= attention(f"{TEMPORAL}_{layer}/cross_attention", t, e, config["sinks"])
        made |= feed_forward(f"{TEMPORAL}_{layer}/ffn", t)
    for layer in range(d["layers"]):
        made |= attention(f"{DEPTH}_{layer}/self_attention", d, d["dim"], 0)
        made |= feed_forward(f"{DEPTH}_{layer}/ffn", d)
    return made


def attention(name, sizes, source, sinks):
    dim, heads, width = sizes["dim"], sizes["heads"], sizes["head"]
    made = {
        f"{name}/pre_norm/scale": (dim,),
        f"{name}/post_norm/scale": (dim,),
        f"{name}/attention/query_projection/kernel": (dim, heads, width),
        f"{name}/attention/key_projection/kernel": (source, heads, width),
        f"{name}/attention/value_projection/kernel": (source, heads, width),
        f"{name}/attention/per_dim_scale": (width,),
        f"{name}/output_projection/kernel": (dim, heads, width),
    }
    if sinks:
        made[f"{name}/attention/sink_key_embeddings"] = (sinks, heads, width)
        made[f"{name}/attention/sink_value_embeddings"] = (sinks, heads, width)
    return made


def feed_forward(name, sizes):
    dim, inner = sizes["dim"], sizes["ffn"]
    return {
        f"{name}/pre_norm/scale": (dim,),
        f"{name}/post_norm/scale": (dim,),
        f"{name}/ffn_layer1/kernel": (dim, inner),
        f"{name}/ffn_layer1/bias": (inner,),
        f"{name}/ffn_layer2/kernel": (inner, dim),
        f"{name}/ffn_layer2/bias": (dim,),
    }


def random_weights(config):
    """Arrays with which no part is without effect."""
    return {name: drawn(name, shape) for name, shape in shapes(config).items()}


def drawn(name, shape):
    z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    kind = name.rsplit("/", 1)[1]
    if kind == "scale":
        return (1 + 0.2 * z).astype(np.float32)
    if kind != "kernel":
        return (z * (0.3 if kind in ("bias", "per_dim_scale") else 0.7)).astype(np.float32)
    rows = np.prod(shape[1:]) if "output_projection" in name else shape[0]
    gain = 1.5 if "to_logits" in name or "_projection" in name else 1.0
    return (gain * z / np.sqrt(rows)).astype(np.float32)


def rms(x, scale):
    return x / np.sqrt(np.mean(x * x) + 1e-6) * scale


def layer_norm(x, scale, bias):
    x = x - x.mean()
    return x / np.sqrt(np.mean(x * x) + 1e-6) * scale + bias


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


class FrameModelByHand:
    """One stream, or one row of a guided stream."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = {name: array.astype(np.float64) for name, array in weights.items()}
        self.past = [([], []) for _ in range(2 * config["temporal"]["layers"])]

    def w(self, name):
        return self.weights[name]

    def encode(self, raw):
        style, rows = self.config["style"], place_rows(self.config)
        values = raw + 7
        summed = sum(
            self.w(f"{STYLE}/mulan_dequantizer/embedding")[i * (style["codes"] + 7) + values[i]]
            for i in range(style["levels"])
        )
        a = summed @ self.w(f"{STYLE}/depth_input_adapter/kernel")
        others = values[style["levels"] :]
        b = np.mean(
            [self.w(PLACES)[sum(rows[:j]) + value] for j, value in enumerate(others)], axis=0
        )
        ln = f"{ENCODER}/encoder_ln"
        return layer_norm((a + b) / 2, self.w(f"{ln}/scale"), self.w(f"{ln}/bias"))

    def embed(self, identity):
        return np.sqrt(self.config["temporal"]["dim"]) * self.w(TABLE)[identity]

    def block(self, name, x, source, past, window):
        """Attention with its norms; `past` grows by this step."""
        normed = rms(x, self.w(f"{name}/pre_norm/scale"))
        source = normed if source is None else source
        q, k, v = (
            np.einsum("d,dhk->hk", given, self.w(f"{name}/attention/{kind}_projection/kernel"))
            for kind, given in (("query", normed), ("key", source), ("value", source))
        )
        keys, values = past
        keys.append(k)
        values.append(v)
        scale = np.log1p(np.exp(self.w(f"{name}/attention/per_dim_scale")))
        scaled = q * 1.442695041 / np.sqrt(q.shape[-1]) * scale
        scores = [(scaled * k).sum(axis=-1) for k in keys[-window - 1 :]]
        seen = list(values[-window - 1 :])
        sink = f"{name}/attention/sink_key_embeddings"
        if sink in self.weights:
            scores += [(q * k).sum(axis=-1) for k in self.w(sink)]
            seen += list(self.w(sink.replace("_key_", "_value_")))
        shares = np.exp(np.array(scores) - np.max(scores, axis=0))  # [place, head]
        mixed = np.einsum("ph,phk->hk", shares / shares.sum(axis=0), np.array(seen))
        out = np.einsum("hk,dhk->d", mixed, self.w(f"{name}/output_projection/kernel"))
        return x + rms(out, self.w(f"{name}/post_norm/scale"))

    def ffn(self, name, x):
        inner = rms(x, self.w(f"{name}/pre_norm/scale"))
        for layer in (1, 2):
            inner = inner @ self.w(f"{name}/ffn_layer{layer}/kernel")
            inner = inner + self.w(f"{name}/ffn_layer{layer}/bias")
            inner = gelu(inner) if layer == 1 else inner
        return x + rms(inner, self.w(f"{name}/post_norm/scale"))

    def temporal(self, ids, raw):
        e = self.encode(raw)
        x = np.mean([self.embed(identity) for identity in ids], axis=0)
        first = x
        for layer in range(self.config["temporal"]["layers"]):
            own, seen = self.past[2 * layer : 2 * layer + 2]
            name = f"{TEMPORAL}_{layer}"
            x = self.block(f"{name}/self_attention", x, None, own, self.config["window_self"])
            x = self.block(f"{name}/cross_attention", x, e, seen, self.config["window_cross"])
            x = self.ffn(f"{name}/ffn", x)
        return first, x

    def level(self, x, past):
        """All raw logits of one level; `past` grows by it."""
        adapter = f"{BODY}/depth_body/depth_input_adapter/kernel"
        y = x @ self.w(adapter) if adapter in self.weights else x
        for layer in range(self.config["depth"]["layers"]):
            name = f"{DEPTH}_{layer}"
            y = self.block(f"{name}/self_attention", y, None, past[layer], self.config["levels"])
            y = self.ffn(f"{name}/ffn", y)
        body = f"{BODY}/depth_body"
        y = layer_norm(y, self.w(f"{body}/final_ln/scale"), self.w(f"{body}/final_ln/bias"))
        return y @ self.w(f"{body}/to_logits/kernel") + self.w(f"{body}/to_logits/bias")


def chosen(logits, temperature, top_k, noise):
    kept = logits >= np.sort(logits)[-min(max(top_k, 1), len(logits))]
    return int(np.argmax(np.where(kept, logits + temperature * noise, -np.inf)))


def run(config, weights, numbers, temperature=0.0, top_k=10**6, noise=None, given=(), scales=()):
    """Runs a stream of several rows (one, or three with guidance); numbers [frame, row, number].

    Returns:
        ids [frame, level], logits [frame, level, row, codes], and a dict of further arrays.
    """
    count, codes = config["levels"], config["codes"]
    rows = [FrameModelByHand(config, weights) for _ in range(numbers.shape[1])]
    ids, all_ids, all_logits, more = [0] * count, [], [], {"inputs": [], "outputs": [], "raw": []}
    for frame, asked in enumerate(numbers):
        ids = list(given[frame]) if frame < len(given) else ids
        both = [row.temporal(ids, raw) for row, raw in zip(rows, asked, strict=True)]
        xs = [x for _, x in both]
        more["inputs"].append(both[0][0])
        more["outputs"].append(xs[0])
        pasts = [[([], []) for _ in range(config["depth"]["layers"])] for _ in rows]
        ids, kept, raws = [], [], []
        for level in range(count):
            first = 6 + level * codes
            raw = [row.level(x, past) for row, x, past in zip(rows, xs, pasts, strict=True)]
            own = [30 * np.tanh(part[first : first + codes] / 30) for part in raw]
            guided = own[0] + sum(s * (own[0] - o) for s, o in zip(scales, own[1:], strict=True))
            drawn_noise = np.zeros(codes) if noise is None else noise[frame, level]
            ids.append(first + chosen(guided, temperature, top_k, drawn_noise))
            xs = [rows[0].embed(ids[-1])] * len(rows)
            kept.append(own)
            raws.append(raw[0])
        all_ids.append(ids)
        all_logits.append(kept)
        more["raw"].append(raws)
    return np.array(all_ids, np.int32), np.array(all_logits), more | {"rows": rows}
