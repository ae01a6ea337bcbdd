"""Host runtime for small AI accelerators."""
