"""Labelled examples → files of other tools, which `ingest.exchange` reads back equal. One file a format."""
