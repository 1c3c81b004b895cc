"""Bundles: one file that brings one host to its state, without a controller (decision D27)."""
