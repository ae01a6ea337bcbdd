"""FQIR models: safe loading, the graph, exact and fast execution."""
