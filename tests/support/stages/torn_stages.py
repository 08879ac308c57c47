"""A module that raises an error when it is imported, for pipelines that `check` must refuse."""

raise RuntimeError("the tape is torn")
