"""Serves sleeping engines: `python front.py PORT ENGINES ROWS STREAMS TICK_S CHUNK_S [CLUSTER]`.

It is `soundstage serve` with ticks of several rows, which on processors have one otherwise. With
the address of a cluster, ENGINES is the most, and their number follows the listeners.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

from fleets.playing import RAY
from fleets.sleeping import sleeping
from soundstage.apps.server.lifetime import log_to_stderr, serve
from soundstage.apps.server.settings import ServeSettings
from soundstage.interrupts import listen
from soundstage.runners.choice import EngineRange, RunnerChoice


def main() -> None:
    port, engines, rows, streams = map(int, sys.argv[1:5])
    tick_s, chunk_s = map(float, sys.argv[5:7])
    cluster = next(iter(sys.argv[7:]), None)
    listen()
    log_to_stderr("text", quiet=cluster is None)
    serve(
        sleeping(tick_s, chunk_s),
        ServeSettings(port=port),
        engines=engines if cluster is None else EngineRange(1, engines),
        batch=rows,
        streams=streams,
        capacity=streams if cluster is None else None,
        runner=RAY if cluster is None else RunnerChoice("ray", cluster),
    )


if __name__ == "__main__":
    main()
