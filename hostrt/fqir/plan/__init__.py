"""Plans: a model's integer program with everything decided that can be decided before it runs.

`lower.compile_plan` turns a model into a `Plan` of `ir`: values and instructions instead of names
and nodes, with shapes, intervals (`ranges`), storage types and constants (`builder`, `arithmetic`).
`numpy_engine` runs plans: single frames as lists of bound calls (`frame`), sequences with all
frames at once but for what depends on itself (`sequence`, `steps`, `evaluate`), both with tables
in place of chains of elementwise instructions where that pays (`tabulate`).
"""
