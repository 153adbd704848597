"""Assay: small-language-model judges, from expert labels to a gated verdict."""
