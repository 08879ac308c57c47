"""JAX is strict under test: no silent rank or dtype promotion, whatever the stage."""

import jax

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
