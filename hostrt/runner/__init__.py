"""Runners: frames through one representation of a model."""
