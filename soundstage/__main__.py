"""`python -m soundstage`: the command line."""

from soundstage.apps.commands.main import main

main()
