"""The language of soundstage: ports, stages, messages and graphs. No music, no JAX, no Ray."""
