"""`python -m soundstage`, and the command `soundstage`: the command line."""

import gc
import os

from soundstage.interrupts import listen
from soundstage.standard_streams import open_missing_streams

# New objects between two garbage collections, 700 by default. A command with the preset demo has
# 220 000 objects, most of which stay to its end.
OBJECTS_A_COLLECTION = 20_000


def main() -> None:
    """Runs one command and ends the process with its exit code.

    Raises:
        SystemExit: with a code from the table in `soundstage.errors`.
    """
    gc.set_threshold(OBJECTS_A_COLLECTION)
    # Idle threads of NumPy's linear algebra spin, which takes a core from XLA. The demo has the
    # same bytes with 1 to 8 threads.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    open_missing_streams()
    listen()
    from soundstage.apps.commands.main import main as run  # late: a signal may come meanwhile

    try:
        run()
    finally:
        gc.freeze()  # the interpreter would look through all objects once more while it ends


if __name__ == "__main__":
    main()
