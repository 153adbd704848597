"""What the tests of `assay data augment` share: a bank with 24 written rows, and a recorded model that answers."""

from answering import RECORDED, TOKENS_IN, TOKENS_OUT, AnsweringEndpoint
from shop import Shop

from assay.api import Workspace
from assay.api.augmenting import AugmentRequest
from assay.datasets.frozen_rows import load_rows
from assay.labelling.desk import hand_of, take
from assay.llm.prices import Price
from assay.store.blobs import Blobs
from assay.store.labelling.answers import Answer

FREEZE = ("data", "freeze", "advice", "--min-test-per-class", "1")
BOTH = ("data", "augment", "advice", "--kind", "flip,paraphrase", "--per-kind", "50", "--sample", "50")
PRICE = ("--price-per-million", "1,2")
FLIPS = AugmentRequest(kinds=("flip",), per_kind=50, price=Price(input=1.0, output=2.0))
USD = (TOKENS_IN * 1 + TOKENS_OUT * 2) / 1e6  # of one recorded answer
MADE_FOR = {
    row[kind]: row["label"] if kind == "paraphrase" else {"advice": "no_advice", "no_advice": "advice"}[row["label"]]
    for row in RECORDED
    for kind in ("flip", "paraphrase")
}


def at(shop: Shop, endpoint: AnsweringEndpoint) -> Shop:
    with (shop.root / "assay.toml").open("a") as file:
        file.write(f'\n[llm.writer]\nbase_url = "{endpoint.base_url}"\nmodel = "scribe"\nmax_retries = 0\n')
    return shop


def rows_of(shop: Shop, dataset: str):
    with Workspace.open(shop.root) as here:
        return load_rows(Blobs(here.settings.blobs), here.dataset(dataset))


def outputs_of(shop: Shop, split: str) -> list[str]:
    newest = shop.ok("data", "list")["datasets"][-1]["id"]
    return [row.example.output for row in rows_of(shop, newest) if row.split == split]


def answer_queue(shop: Shop, queue: str, wrong: int = 0, who: str = "mia") -> int:
    """Let an expert answer a queue as its texts were made for, the first `wrong` flips otherwise. Returns how many."""
    with Workspace.open(shop.root) as here:
        if who not in {one.name for one in here.labelling.labellers()}:
            here.labelling.add_labeller(who)
        (labeller,) = [one for one in here.labelling.labellers() if one.name == who]
        database, answered = here.labelling.database, 0
        hand = hand_of(database, labeller, queue)
        while hand.items:
            item = hand.items[0]
            assert item.hint is None  # blind
            value = MADE_FOR[item.example.output]
            if wrong and any(row["flip"] == item.example.output for row in RECORDED):
                value, wrong = {"advice": "no_advice", "no_advice": "advice"}[value], wrong - 1
            key = f"key-{queue}-{item.position}"
            given = Answer(key=key, queue=queue, position=item.position, kind="label", value=value)
            hand = take(database, labeller, given)
            answered += 1
    return answered
