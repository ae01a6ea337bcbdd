"""Power meters and what they measured."""
