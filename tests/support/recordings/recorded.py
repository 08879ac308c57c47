"""Records runs for tests of replay and diff."""

import pyarrow as pa

from soundstage.runners.api import open_runner
from soundstage.runners.sessions.session import Session
from soundstage.runners.traces.trace import open_trace


def record(path, graph, ticks, rows=({},), state=None, steer=None):
    """Records a run and returns its last state; `steer` is tick -> controls from that tick on."""
    runner = open_runner(graph)
    try:
        session = Session(runner, rows, state=state)
        with open_trace(path, graph, runner.weights(), session.state, "1.2.3") as trace:
            for tick in range(ticks):
                session.steer(**(steer or {}).get(tick, {}))
                trace.write(next(session))
        return session.state
    finally:
        runner.close()


def messages(path):
    """Returns every message of a trace file, in the file's order."""
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    return [message.as_buffer().to_pybytes() for message in table.column("message")]
