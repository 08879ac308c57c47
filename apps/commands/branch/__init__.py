"""`soundstage branch`: one saved session continued in several styles."""
