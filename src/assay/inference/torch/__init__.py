"""The `torch` backend: packed passes over one backbone, with shared prefixes, shared layers and many adapters."""
