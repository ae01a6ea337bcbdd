"""Byte layouts of boards and files, as declarations: no I/O, no threads, no clocks.

Everything here takes bytes, arrays and plain trees and gives the same back, so that it can be
tested without hardware and reused by firmware tooling.
"""
