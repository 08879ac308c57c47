"""Every stage that ships with soundstage; they may import JAX, but neither Arrow nor Ray."""
