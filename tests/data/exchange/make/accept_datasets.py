"""Load an exported folder with the `datasets` library; print what it saw."""

import json
import sys
import tempfile

import datasets

with tempfile.TemporaryDirectory() as cache:
    loaded = datasets.load_dataset(sys.argv[1], cache_dir=cache)["train"]
    names = loaded.features["target"].names
    print(json.dumps({"rows": len(loaded), "names": names, "targets": loaded["target"][:], "first": loaded[0]}))
