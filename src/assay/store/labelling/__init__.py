"""The tables of labelling: people and their sign-ins (`people`), queues and their items (`queues`), who holds which
item (`work`), every answer as it came (`answers`), and the `weights` that the drawing gives. Labels themselves are in
`store.examples`.
"""

from assay.store.labelling import answers, people, queues, weights, work

__all__ = ["answers", "people", "queues", "weights", "work"]
