"""Persistence: the only SQL of Assay.

`open_database(url)` gives a `Database`; each other module owns the tables of one family and is their only writer, its
functions take a connection first. `Blobs` keeps content-addressed files. Nothing here knows what a judge does or when
it may be promoted.
"""
