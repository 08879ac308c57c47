"""Stages that fail while running, for tests of the error messages."""

import jax.numpy as jnp
import numpy as np

from soundstage.stages.toy import SineDecode


class NanDecode(SineDecode):
    def __call__(self, tokens, context):
        audio = super().__call__(tokens, context)["audio"]
        return {"audio": np.full_like(audio, np.nan)}


class LoudDecode(SineDecode):
    def __call__(self, tokens, context):
        return {"audio": 9 * super().__call__(tokens, context)["audio"]}


class RaisingDecode(SineDecode):
    def __call__(self, tokens, context):
        raise ArithmeticError("two and two\nare not five")


class UnbuildableDecode(SineDecode):
    def __init__(self, params, format, device):
        raise KeyError("nobody expects this")


class FailThirdCall(SineDecode):
    def __init__(self, params, format, device):
        super().__init__(params, format, device)
        self.calls = 0

    def __call__(self, tokens, context):
        self.calls += 1
        if self.calls == 3:
            raise ArithmeticError("the third call")
        return super().__call__(tokens, context)


class GeneratorDecode(SineDecode):
    def __call__(self, tokens, context):
        yield super().__call__(tokens, context)


class NoneDecode(SineDecode):
    def __call__(self, tokens, context):
        super().__call__(tokens, context)


class OddNamesDecode(SineDecode):
    def __call__(self, tokens, context):
        return {1: None, "audio": None}


class ExitingDecode(SineDecode):
    def __call__(self, tokens, context):
        raise SystemExit(0)


class LeavingDecode(SineDecode):
    def __call__(self, tokens, context):
        raise GeneratorExit


class JaxDecode(SineDecode):
    def __call__(self, tokens, context):
        return {"audio": jnp.asarray(super().__call__(tokens, context)["audio"])}


class UnknownWeightsDecode(SineDecode):
    @property
    def weights_digest(self):
        raise OSError("the file is gone")


class RaisingType(type):
    def __getattr__(cls, name):
        raise RuntimeError(f"no {name}")


class UnreadableDecode(SineDecode, metaclass=RaisingType):
    pass


class UncallableDecode(SineDecode):
    def __call__(self, codes):
        return {}


class ArgumentlessDecode(SineDecode):
    def __init__(self):
        pass
