"""Execution of the open instruction set (hostrt/docs/open-isa.md) on plain memories."""
