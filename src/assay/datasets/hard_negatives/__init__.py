"""Hard negatives: the rows of a pool that a judge is likely to get wrong, each under the reason it was mined for.

`mining.mine(rows, wanted)` is the whole of it; the pool's vectors, a judge's and a teacher's views are passed in.
"""
