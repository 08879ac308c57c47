"""`soundstage generate`: one piece of music in a file or a pipe."""
