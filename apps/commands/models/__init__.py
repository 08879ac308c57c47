"""The commands below `soundstage models`."""
