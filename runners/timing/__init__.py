"""Where the time of a tick goes, and what another placement would change."""
