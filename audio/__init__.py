"""Audio files to float32 arrays and back, and what is written beside the samples."""
