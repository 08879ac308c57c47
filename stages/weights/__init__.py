"""Arrays by name: from safetensors files, T5X checkpoints, zarr or a seed."""
