"""Plans: a model's integer program with everything decided that can be decided before it runs."""
