"""The music: every stage that ships with soundstage. JAX lives here; Arrow and Ray do not."""
