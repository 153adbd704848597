"""The Judge protocol and its kinds. What serves is what is gated: every verdict in Assay comes through here."""
