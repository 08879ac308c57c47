"""Serves sleeping engines: `python front.py PORT ENGINES ROWS STREAMS TICK_S CHUNK_S`.

It is `soundstage serve` with ticks of several rows, which on processors have one otherwise.
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


def main() -> None:
    port, engines, rows, streams = map(int, sys.argv[1:5])
    tick_s, chunk_s = map(float, sys.argv[5:7])
    listen()
    log_to_stderr("text", quiet=True)
    serve(
        sleeping(tick_s, chunk_s),
        ServeSettings(port=port),
        engines=engines,
        batch=rows,
        streams=streams,
        capacity=streams,
        runner=RAY,
    )


if __name__ == "__main__":
    main()
