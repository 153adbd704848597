"""The judge, judged: evaluation through the serving path, gates, and the card. Imports nothing, so it loads fast."""
