"""The nouns of Assay. Imports nothing else of ours; everything else may import it."""
