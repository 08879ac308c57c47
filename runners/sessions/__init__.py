"""Sessions: live controls to ticks; steered, saved, resumed, continued from audio."""
