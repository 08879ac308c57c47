"""The measurement before an engine is ready makes every chunk, and remembers none."""

import pytest
from tone_graphs import tones

import soundstage
from soundstage.runners.engine.warmup import WarmUp, _measure, measure_alone
from soundstage.runners.local import LocalRunner


class RecordingRunner(LocalRunner):
    """Records when the chunks are begun and made, and what each stage did for them."""

    def __init__(self, graph):
        super().__init__(graph, remembered=20)
        self.spans, self.events = [], []

    def _submit(self, tick, before):
        self.events.append(("begun", *tick.chunks))
        return super()._submit(tick, before)

    def _finish(self, pending):
        chunk = super()._finish(pending)
        self.spans += chunk.spans
        self.events.append(("made", *chunk.tick.chunks))
        return chunk

    def computed(self, stage):
        """For each chunk that was made, whether a stage computed it."""
        kinds = [span.kind for span in self.spans if span.stage == stage]
        return [kind == "compute" for kind in kinds if kind in ("compute", "reuse")]


def test_measurement_computes_every_chunk():
    graph = soundstage.load("toy", settings=["format.chunk_s=0.2", "format.context_s=0.4"])
    with RecordingRunner(graph) as runner:
        cost_s = _measure(runner, 4, 1, 2)
        begun = [event for event in runner.events if event[0] == "begun"]
        computed = runner.computed("sample")
    assert set(cost_s) == {1, 2, 4}
    assert len(begun) == len(set(begun)) >= 7
    assert all(computed)


def test_measurement_computes_every_chunk_of_stages_that_read_no_index():
    with RecordingRunner(soundstage.load("mrt2-tiny")) as runner:
        for _ in range(2):
            _measure(runner, 2, 1, 2)
        computed = runner.computed("step")
    assert len(computed) >= 2  # many more, unless a busy machine ends the measurement
    assert all(computed)


def test_chunks_of_a_stream_that_is_alone_overlap():
    with RecordingRunner(tones(chunk_s=30.0)) as runner:  # in time on every machine
        measure_alone(runner)
        kinds = [event[0] for event in runner.events]
        order = [event[1] - runner.events[0][1] for event in runner.events]
    assert kinds == ["begun", "begun", "made", "begun", "made", "begun", "made"]
    assert order == [0, 1, 0, 2, 1, 3, 2]


@pytest.mark.parametrize(
    ("takes_s", "batch", "window", "measured"),
    [
        (0.31, 1, 2, False),  # in time without
        (0.33, 1, 2, True),
        (0.8, 1, 2, True),
        (0.81, 1, 2, False),  # two in flight cannot be in time either
        (0.5, 2, 2, False),
        (0.5, 1, 1, False),
    ],
)
def test_overlap_is_measured_only_where_it_decides(takes_s, batch, window, measured):
    with LocalRunner(tones(chunk_s=0.4)) as runner:
        warm_up = WarmUp(lambda remembered: runner, 4, batch, 1, window=window)
        assert (warm_up.alone_s(runner, batch, takes_s) is not None) == measured
