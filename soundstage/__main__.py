"""`python -m soundstage`, and the command `soundstage`: the command line."""

from soundstage.interrupts import listen
from soundstage.standard_streams import open_missing_streams


def main() -> None:
    """Runs one command and ends the process with its exit code.

    Raises:
        SystemExit: with a code from the table in `soundstage.errors`.
    """
    open_missing_streams()
    listen()
    from soundstage.apps.commands.main import main as run  # late: a signal may come meanwhile

    run()


if __name__ == "__main__":
    main()
