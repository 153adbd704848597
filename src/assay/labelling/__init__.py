"""Labelling: which examples people should answer, and what becomes of their answers. The page itself is in `server`.

`sampling` and `scores` choose (pure numbers), `queues` makes a queue of a choice, `labellers` lets people in, `desk` is
what a labeller can do, `adjudication` settles disagreements, `estimates` and `gain` say what the labels are worth.
"""
