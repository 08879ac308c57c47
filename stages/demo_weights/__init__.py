"""Weights that ship with soundstage, as `weights = "package:NAME"` names them."""
