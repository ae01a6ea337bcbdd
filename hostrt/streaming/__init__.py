"""Streaming: a source's frames through a runner on an absolute clock."""
