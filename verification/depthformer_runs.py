"""Compares our decodes with recorded decodes of the Depthformer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from soundstage.verification.depthformer_network import Draw, Explained, RecordedDepthformer
from soundstage.verification.depthformer_tolerances import Tolerances
from soundstage.verification.recording import Ledger, guarded

RUN = re.compile(
    r"(?:(?P<special>\w+_id(?P<column>\d+))_)?(?P<kind>greedy|sampled|shipped)_w(?P<weight>[\d.]+)"
    r"(?:_t(?P<temperature>[\d.]+)_k(?P<top_k>\d+)_(?:key|seed)(?P<seed>\d+))?"
    r"_(?P<past>ctx|fresh)(?:_\d+steps)?_(?P<part>tokens|steps_run|scores|top_ids|top_logits"
    r"|logsumexp)"
)
GREEDY = re.compile(r"greedy(?P<own>_own_level)?_w(?P<weight>[\d.]+)(?P<fresh>_fresh)?")
SHIPPED = "drawn with unsafe_rbg, whose numbers may differ between machines"


@dataclass(frozen=True)
class RecordedDecode:
    """One recorded decode.

    Attributes:
        name: name of the array of its tokens.
        past: name of the array of its encoder tokens.
        draw: its sampling settings.
        own: whether each step was restricted to its own level's codes.
        parts: names of the decode's other arrays, by their content.
        special: name of the array that replaces a column of the head; None = no such array.
        column: index of that column.
    """

    name: str
    past: str
    draw: Draw
    own: bool
    parts: Mapping[str, str]
    special: str | None = None
    column: int = 0


class DecodeCheck:
    """The comparisons of all decodes of a recording."""

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        keys: Mapping[str, str],
        ledger: Ledger,
        network: RecordedDepthformer,
        tolerances: Tolerances,
    ) -> None:
        self.arrays = arrays
        self.keys = keys
        self.ledger = ledger
        self.network = network
        self.tolerances = tolerances

    def check(self) -> None:
        """Compares every decode whose tokens are recorded."""
        for decode in self._decodes():
            names = [self.keys[name] for name in (decode.name, *decode.parts.values())]
            if decode.past not in self.arrays:
                self.ledger.skip(names, f"needs {decode.past}")
                continue
            with guarded(self.ledger, names):
                self._check(decode)
        for name, key in self.keys.items():
            if RUN.fullmatch(name):
                self.ledger.skip(self.ledger.open([key]), "needs the tokens of its decode")

    def _decodes(self) -> list[RecordedDecode]:
        decodes = []
        for name in self.arrays:
            if match := GREEDY.fullmatch(name):
                past = f"encoder_tokens{match['fresh'] or ''}"
                draw = Draw(float(match["weight"]), 0.0, 0, None)
                decodes.append(RecordedDecode(name, past, draw, bool(match["own"]), {}))
            elif (match := RUN.fullmatch(name)) and match["part"] == "tokens":
                decodes.append(self._run(name, match))
        return decodes

    def _run(self, name: str, match: re.Match[str]) -> RecordedDecode:
        stem = name.removesuffix("tokens")
        others = ("steps_run", "scores", "top_ids", "top_logits", "logsumexp")
        parts = {part: stem + part for part in others if stem + part in self.arrays}
        if match["kind"] == "shipped":
            parts["shipped"] = parts.pop("steps_run", name)
        seed = int(match["seed"]) if match["kind"] == "sampled" and match["seed"] else None
        draw = Draw(
            float(match["weight"]), float(match["temperature"] or 0), int(match["top_k"] or 0), seed
        )
        special = f"{match['special']}_column" if match["special"] else None
        past = "encoder_tokens" if match["past"] == "ctx" else "encoder_tokens_fresh"
        return RecordedDecode(name, past, draw, False, parts, special, int(match["column"] or 0))

    def _check(self, decode: RecordedDecode) -> None:
        for part, reason in (
            ("steps_run", "an input: the number of steps of the original"),
            ("scores", "not comparable after guidance"),
            ("shipped", SHIPPED),
        ):
            if part in decode.parts:
                self.ledger.skip(self.ledger.open([self.keys[decode.parts[part]]]), reason)
        if "shipped" in decode.parts:
            self.ledger.skip(self.ledger.open([self.keys[decode.name]]), SHIPPED)
            return
        if decode.special is not None and decode.special not in self.arrays:
            names = [decode.name, *decode.parts.values()]
            open_names = self.ledger.open([self.keys[name] for name in names])
            self.ledger.skip(open_names, f"needs {decode.special}")
            return
        rows = self._rows(decode)
        if rows is None:
            names = [self.keys[decode.name]]
            self.ledger.skip(names, "needs pairs of rows: with the style and without")
            return
        explained = self._explained(decode, rows)
        self._values(decode, explained)
        self._tokens(decode, rows, explained)

    def _rows(self, decode: RecordedDecode) -> list[tuple[int, int]] | None:
        """Returns each decode's prompted and unprompted row; None = the rows are not pairs."""
        count = len(self.arrays[decode.name])
        if not decode.draw.weight:
            return [(row, row) for row in range(count)]
        return None if count % 2 else [(row, row + 1) for row in range(0, count, 2)]

    # ---- step by step, from the recorded tokens

    def _explained(self, decode: RecordedDecode, rows: list[tuple[int, int]]) -> list[Explained]:
        tokens = self.arrays[decode.name]
        prompts = self.arrays[decode.past]
        head = self.network.head
        if decode.special is not None:
            head = head.copy()
            head[:, decode.column] = self.arrays[decode.special]
        _, _, normed = self.network.forced(prompts, tokens)  # [row, frame, level, width]
        framed = tokens.reshape(normed.shape[:3])
        ids = self._ids(decode, framed.shape[1:], len(rows))
        explained = []
        for index, (row, other) in enumerate(rows):
            noise_row = row if row < 2 else 0
            explained.append(
                self.network.explain(
                    normed[row], normed[other], framed[row], ids[index], decode.draw, noise_row,
                    head,
                )
            )  # fmt: skip
        return explained

    def _ids(self, decode: RecordedDecode, steps: tuple[int, ...], rows: int) -> np.ndarray:
        name = decode.parts.get("top_ids")
        if name is None:
            return np.zeros((rows, *steps, 1), np.int32)
        ids = self.arrays[name]
        whole = np.zeros((rows, steps[0] * steps[1], ids.shape[-1]), np.int32)
        whole[:, : ids.shape[1]] = ids[:rows]
        return whole.reshape(rows, *steps, -1)

    def _values(self, decode: RecordedDecode, explained: list[Explained]) -> None:
        """Compares guided logits; guidance multiplies rounding errors by up to 1 + 2 w."""
        spread = 1 + 2 * decode.draw.weight
        if "logsumexp" in decode.parts:
            recorded = self.arrays[decode.parts["logsumexp"]]
            ours = np.stack([e.logsumexp.reshape(-1) for e in explained])[:, : recorded.shape[1]]
            tolerance = spread * self.tolerances.of("logsumexp", recorded)
            self.ledger.compare(self.keys[decode.parts["logsumexp"]], ours, tolerance)
        if "top_logits" not in decode.parts:
            ids = [self.keys[decode.parts["top_ids"]]] if "top_ids" in decode.parts else []
            self.ledger.skip(ids, "needs top_logits")
            return
        recorded = self.arrays[decode.parts["top_logits"]]
        tolerance = spread * self.tolerances.of("logits", recorded)
        steps, width = recorded.shape[1:]
        at, top = (
            np.stack([np.reshape(part, (-1, part.shape[-1])) for part in parts])[:, :steps]
            for parts in ([e.at for e in explained], [e.top for e in explained])
        )
        if "top_ids" not in decode.parts:
            self.ledger.skip([self.keys[decode.parts["top_logits"]]], "needs top_ids")
            return
        self.ledger.compare(self.keys[decode.parts["top_logits"]], at, tolerance)
        # An id is among the largest if its logit reaches the last of them, up to rounding.
        low = ~(at >= top[..., width - 1 :] - 2 * tolerance)
        self.ledger.judge(self.keys[decode.parts["top_ids"]], int(low.sum()), 0)

    # ---- the decode as a whole

    def _tokens(
        self, decode: RecordedDecode, rows: list[tuple[int, int]], explained: list[Explained]
    ) -> None:
        key, recorded = self.keys[decode.name], self.arrays[decode.name]
        steps = self._steps_run(decode)
        behind = int((recorded[:, steps:] != 0).sum())
        first = [row for row, _ in rows]
        twins = 0 if not decode.draw.weight else int((recorded[::2] != recorded[1::2]).sum())
        wrong = behind + twins + self._unexplained(decode, explained, steps)
        if decode.draw.seed is not None or decode.special is not None:
            self._judge(key, wrong, "each step, from the recorded tokens before it")
            return
        ours = self._decoded(decode, rows)[:, :steps]
        equal = ours == recorded[first, :steps]
        if equal.all() and not behind and not twins:
            self._judge(key, 0, "")
        elif self.tolerances.bfloat16:
            share = f"{equal.mean():.0%} of the tokens agree"
            self.ledger.skip([key], f"bfloat16 decodes diverge: {share}")
        elif not decode.own and not wrong:
            step = int(np.argmin(equal.all(axis=0)))
            self._judge(key, 0, f"a near tie at step {step}; compared step by step from there on")
        else:
            step = int(np.argmin(equal.all(axis=0)))
            self._judge(key, max(int((~equal).sum()), wrong), f"the first at step {step}")

    def _judge(self, key: str, wrong: int, note: str) -> None:
        if self.tolerances.bfloat16 and wrong:
            self.ledger.skip([key], f"bfloat16 decodes diverge: at {wrong} tokens")
        else:
            self.ledger.judge(key, wrong, 0, note)

    def _steps_run(self, decode: RecordedDecode) -> int:
        length = self.arrays[decode.name].shape[1]
        if "steps_run" not in decode.parts:
            return length
        return min(int(self.arrays[decode.parts["steps_run"]]), length)

    def _unexplained(self, decode: RecordedDecode, explained: list[Explained], steps: int) -> int:
        """Counts steps at which our best choice clearly beats the recorded one."""
        spread = 2 * (1 + 2 * decode.draw.weight) / (decode.draw.temperature or 1)
        wrong = 0
        for part in explained:
            tie = spread * self.tolerances.of("logits", part.top)
            wrong += int((~(part.gap.reshape(-1)[:steps] <= tie)).sum())
        return wrong

    def _decoded(self, decode: RecordedDecode, rows: list[tuple[int, int]]) -> np.ndarray:
        prompts = self.arrays[decode.past]
        frames = self.arrays[decode.name].shape[1] // self.network.config.num_levels
        weights = np.full(len(rows), decode.draw.weight, np.float32)
        with_style, without = (prompts[list(column)] for column in zip(*rows, strict=True))
        return self.network.greedy(with_style, without, weights, frames, decode.own)
