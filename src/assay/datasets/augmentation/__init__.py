"""Augmentation: training rows made from training rows, kept only where experts agree with what they were made for.

In reading order: `kinds` (what can be made), `parents` (from which rows), `prompts` and `rewritten` (what a language
model is asked and what of its answer is used), `unaided` (what needs none), `making` (the run), `copies`, `sampling`,
`acceptance`, `receipts`. Knows no queue and no command.
"""
