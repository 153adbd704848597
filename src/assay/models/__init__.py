"""Backbones, heads and adapters: the torch side of a judge."""
