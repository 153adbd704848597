"""The audit of a dataset: what would mislead a judge that is trained on it, and what to do about each.

`audit(table, settings)` runs every check and ranks the findings; `page` draws them. No model is needed: where
embeddings help (label noise) a callable is passed in.
"""
