"""A module that cannot be imported: for pipelines that `check` must refuse."""

raise RuntimeError("the tape is torn")
