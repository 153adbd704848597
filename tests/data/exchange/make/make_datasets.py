"""Hugging Face datasets: `save_to_disk` (one split, and a dict of splits), Parquet and JSON lines.

Run: pip install datasets==$VERSION; python make_datasets.py ../hf
"""

import sys
from pathlib import Path

from replies import REPLIES

from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
features = Features(
    {
        "prompt": Value("string"),
        "response": Value("string"),
        "label": ClassLabel(names=["no_advice", "advice"]),
        "topic": Value("string"),
    }
)
rows = [{"prompt": q, "response": a, "label": label, "topic": "banking"} for q, a, label in REPLIES]
rows[-1] = {**rows[-1], "label": -1}  # the library's word for "no label"
dataset = Dataset.from_list(rows, features=features)
dataset.save_to_disk(out / "saved")
DatasetDict(train=dataset.select(range(4)), test=dataset.select([4, 5])).save_to_disk(out / "saved_splits")
dataset.to_parquet(out / "replies.parquet")
dataset.select(range(5)).to_json(out / "replies.jsonl")
