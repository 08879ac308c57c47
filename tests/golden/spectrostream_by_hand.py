"""The SpectroStream spec in NumPy, in float64, without any code of the codec that it checks.

Convolutions are loops over taps, transposed ones scatter; arrays are [row, time, bin, channel].
"""

import numpy as np


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def repeat(x, stride):
    return x.repeat(stride[0], axis=1).repeat(stride[1], axis=2)


class SpectroStreamByHand:
    """The codec; `weights` maps published names to arrays."""

    def __init__(self, config, weights):
        self.config = config
        self.weights = {name: array.astype(np.float64) for name, array in weights.items()}
        self.strides = [tuple(ratio) for ratio in config["ratios"]]
        self.bottom = config["stft"]["bins"] // int(np.prod([s[1] for s in self.strides]))

    # ---- layers

    def conv(self, name, x, stride=(1, 1)):
        kernel, bias = (self.weights[f"{name}/conv/{kind}"] for kind in ("kernel", "bias"))
        taps, (st, sf) = kernel.shape[:2], stride
        left = max(taps[0] - st, 0)
        around = max(taps[1] - sf, 0)
        pads = ((left, taps[0] - 1 - left), (around // 2, around - around // 2))
        padded = np.pad(x, ((0, 0), *pads, (0, 0)))
        times, bins = -(-x.shape[1] // st), x.shape[2] // sf
        out = np.zeros((x.shape[0], times, bins, kernel.shape[3])) + bias
        for i in range(taps[0]):
            for j in range(taps[1]):
                part = padded[:, i : i + st * times : st, j : j + sf * bins : sf]
                out += part[:, :times, :bins] @ kernel[i, j]
        return out

    def tconv(self, name, x, stride):
        kernel, bias = (self.weights[f"{name}/conv/{kind}"] for kind in ("kernel", "bias"))
        (kt, kf), (st, sf) = kernel.shape[:2], stride
        rows, times, bins, _ = x.shape
        out = np.zeros((rows, times * st + kt, bins * sf + kf, kernel.shape[3]))
        for i in range(kt):
            for j in range(kf):
                spread = x @ kernel[kt - 1 - i, kf - 1 - j]
                out[:, i : i + times * st : st, j : j + bins * sf : sf] += spread
        return out[:, : times * st, 1 : 1 + bins * sf] + bias  # crop: 0 in time, 1 in frequency

    def encoder_unit(self, name, x, stride, taps):
        y = self.conv(f"{name}/conv2d_3x3", elu(x))
        y = self.conv(f"{name}/conv2d_{taps[0]}x{taps[1]}_a", elu(y), stride)
        st, sf = stride
        x = np.pad(x, ((0, 0), (0, -x.shape[1] % st), (0, 0), (0, 0)))
        rows, times, bins, width = x.shape
        x = x.reshape(rows, times // st, st, bins // sf, sf, width).mean(axis=(2, 4))
        return y + self.shortcut(name, x)

    def decoder_unit(self, name, x, stride, taps):
        if stride == (1, 1):
            y = self.conv(f"{name}/conv2d_3x3_a", elu(x))
        else:
            y = self.tconv(f"{name}/conv2dtranspose_{taps[0]}x{taps[1]}", elu(x), stride)
        y = self.conv(f"{name}/conv2d_3x3", elu(y))
        return y + repeat(self.shortcut(name, x), stride)

    def shortcut(self, name, x):
        name = f"{name}/shortcut_layer/conv1x1"
        return self.conv(name, x) if f"{name}/conv/kernel" in self.weights else x

    # ---- networks

    def encoder_blocks(self, features):
        groups = [features[..., :2], features[..., 2:]]
        groups = [self.conv("encoder/base_conv_first", x) for x in groups]
        blocks = {"base_conv_first": np.stack(groups)}
        *apart, last = enumerate(self.strides)
        for i, stride in apart:
            taps = [max(3, 2 * s) for s in stride]
            groups = [self.encoder_unit(f"encoder/encoder_{i}", x, stride, taps) for x in groups]
            blocks[f"encoder_{i}"] = np.stack(groups)
        x = np.concatenate(groups, axis=-1)
        taps = [max(3, 2 * s) for s in last[1]]
        x = self.encoder_unit(f"encoder/encoder_{last[0]}", x, last[1], taps)
        blocks[f"encoder_{last[0]}"] = x
        x = self.encoder_unit("encoder/bottleneck", x, (1, 1), (3, 3))
        blocks["bottleneck"] = x
        x = x.reshape(*x.shape[:2], 1, -1)
        name = "encoder/output_convs"
        y = self.conv(f"{name}/shortcut_layer/conv1x1_b1", elu(x))
        y = self.conv(f"{name}/shortcut_layer/conv1x1_b2", elu(y))
        blocks["output_convs"] = self.conv(f"{name}/conv1x1_last", x) + y
        return blocks

    def decoder_blocks(self, embeddings):
        x = embeddings[:, :, None]
        name = "decoder/input_layer"
        y = elu(self.conv(f"{name}/shortcut_layer/conv1x1_b1", x))
        y = self.conv(f"{name}/shortcut_layer/conv1x1_b2", y)
        x = self.conv(f"{name}/conv1x1_first", x) + y
        blocks = {"input_layer": x}
        x = x.reshape(*x.shape[:2], self.bottom, -1)
        x = self.decoder_unit("decoder/input_layers_residual_unit", x, (1, 1), (3, 3))
        blocks["input_layers_residual_unit"] = x
        first, *apart = enumerate(reversed(self.strides))
        taps = [max(3, 2 * s) for s in first[1]]
        x = self.decoder_unit("decoder/decoder_0", x, first[1], taps)
        blocks["decoder_0"] = x
        groups = np.split(x, 2, axis=-1)
        for i, stride in apart:
            taps = [max(3, 2 * s) for s in stride]
            groups = [self.decoder_unit(f"decoder/decoder_{i}", x, stride, taps) for x in groups]
            blocks[f"decoder_{i}"] = np.stack(groups)
        groups = [self.conv("decoder/output_layer/base_conv_last", elu(x)) for x in groups]
        blocks["base_conv_last"] = np.stack(groups)
        return blocks

    def encode(self, waveform):
        return self.encoder_blocks(self.stft(waveform))["output_convs"][:, :, 0]

    def features(self, embeddings):
        parts = self.decoder_blocks(embeddings)["base_conv_last"]
        ahead = int(np.prod([s[0] for s in self.strides]))
        return np.concatenate(list(parts), axis=-1)[:, ahead:]

    def decode(self, codes):
        return self.istft(self.features(self.dequantize(codes)))

    # ---- transform

    def window(self):
        length = self.config["stft"]["frame_length"]
        return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)

    def stft(self, waveform):
        length, step = (self.config["stft"][k] for k in ("frame_length", "frame_step"))
        if waveform.shape[-1] == 1:
            waveform = waveform.repeat(2, axis=-1)
        rows, samples, _ = waveform.shape
        frames = -(-samples // step)
        padded = np.pad(waveform.astype(np.float64), ((0, 0), (0, length), (0, 0)))
        out = np.zeros((rows, frames, length // 2, 4))
        for t in range(frames):
            part = padded[:, t * step : t * step + length] * self.window()[:, None]
            spectrum = np.fft.rfft(part, axis=1)[:, :-1]
            out[:, t, :, 0::2], out[:, t, :, 1::2] = spectrum.real, spectrum.imag
        return out

    def istft(self, features):
        length, step = (self.config["stft"][k] for k in ("frame_length", "frame_step"))
        rows, frames = features.shape[:2]
        n = np.arange(length)
        w = self.window()
        v = w / (w[n % step] ** 2 + w[n % step + step] ** 2)
        out = np.zeros((rows, frames * step + length, 2))
        for t in range(frames):
            spectrum = features[:, t, :, 0::2] + 1j * features[:, t, :, 1::2]
            spectrum = np.pad(spectrum, ((0, 0), (0, 1), (0, 0)))
            part = np.fft.irfft(spectrum, length, axis=1) * v[:, None]
            out[:, t * step : t * step + length] += part
        return out[:, : frames * step]

    # ---- quantizer

    def dequantize(self, codes):
        books = self.weights["quantizer/embedding"]
        return sum(books[k][codes[..., k]] for k in range(codes.shape[-1]))

    def quantize(self, embeddings):
        """Codes, and the gap to the second-best code, both [row, frame, level]."""
        residual, codes, margins = embeddings.astype(np.float64), [], []
        for book in self.weights["quantizer/embedding"]:
            distance = (book**2).sum(axis=-1) - 2 * residual @ book.T
            code = distance.argmin(axis=-1)
            nearest = np.sort(distance, axis=-1)
            codes.append(code)
            margins.append(nearest[..., 1] - nearest[..., 0])
            residual = residual - book[code]
        return np.stack(codes, axis=-1).astype(np.int32), np.stack(margins, axis=-1)


def spectrostream_shapes(c):
    """The arrays of the golden codec; widths follow the rule at the end of section 6."""
    shapes = {"quantizer/embedding": (c["quantizers"], c["codes"], c["num_features"])}

    def conv(name, taps, width_in, width_out):
        shapes[f"{name}/conv/kernel"] = (*taps, width_in, width_out)
        shapes[f"{name}/conv/bias"] = (width_out,)

    def unit(name, width_in, width_out, stride, project):
        taps = [max(3, 2 * s) for s in stride]
        strided = f"{taps[0]}x{taps[1]}"
        if name.startswith("encoder"):
            conv(f"{name}/conv2d_3x3", (3, 3), width_in, width_in)
            conv(f"{name}/conv2d_{strided}_a", taps, width_in, width_out)
        else:
            first = "conv2d_3x3_a" if stride == [1, 1] else f"conv2dtranspose_{strided}"
            conv(f"{name}/{first}", taps, width_in, width_out)
            conv(f"{name}/conv2d_3x3", (3, 3), width_out, width_out)
        if project:
            conv(f"{name}/shortcut_layer/conv1x1", (1, 1), width_in, width_out)

    base, d0, f = c["encoder_base"], 4 * c["decoder_base"], c["num_features"]
    flat = 2 * 4 * base  # bins at the bottleneck times channels
    kernel = [c["encoder_base_kernel"]] * 2
    conv("encoder/base_conv_first", kernel, 2, base)
    unit("encoder/encoder_0", base, 2 * base, [1, 2], True)
    unit("encoder/encoder_1", 2 * base, 2 * base, [1, 2], False)
    unit("encoder/encoder_2", 2 * base, 4 * base, [2, 3], True)
    unit("encoder/encoder_3", 8 * base, 4 * base, [2, 1], True)
    unit("encoder/bottleneck", 4 * base, 4 * base, [1, 1], False)
    conv("encoder/output_convs/conv1x1_last", (1, 1), flat, f)
    conv("encoder/output_convs/shortcut_layer/conv1x1_b1", (1, 1), flat, flat)
    conv("encoder/output_convs/shortcut_layer/conv1x1_b2", (1, 1), flat, f)
    conv("decoder/input_layer/conv1x1_first", (1, 1), f, 2 * d0)
    conv("decoder/input_layer/shortcut_layer/conv1x1_b1", (1, 1), f, 2 * d0)
    conv("decoder/input_layer/shortcut_layer/conv1x1_b2", (1, 1), 2 * d0, 2 * d0)
    unit("decoder/input_layers_residual_unit", d0, d0, [1, 1], False)
    unit("decoder/decoder_0", d0, 2 * d0, [2, 1], True)
    unit("decoder/decoder_1", d0, d0 // 2, [2, 3], True)
    unit("decoder/decoder_2", d0 // 2, d0 // 2, [1, 2], False)
    unit("decoder/decoder_3", d0 // 2, d0 // 4, [1, 2], True)
    conv("decoder/output_layer/base_conv_last", kernel, d0 // 4, 2)
    return shapes
