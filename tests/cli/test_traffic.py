"""`assay train --traffic`: the production base rate read off unlabelled rows."""

import json

from shop import Shop, labelled_rows, write_rows


def skewed(count, share_of_advice):
    """Unlabelled rows, of which about this share is advice."""
    rows = labelled_rows(2 * count, seed=9)
    advice, other = rows[::2], rows[1::2]
    many = round(count * share_of_advice)
    chosen = [*advice[:many], *other[: count - many]]
    return [{"input": row["input"], "reply": row["output"], "session": 1} for row in chosen]


def test_the_base_rate_is_estimated_on_the_traffic(shop: Shop, steps):
    write_rows(shop.root / "traffic.jsonl", skewed(300, 0.25))
    words = [*shop.train_words, "--traffic", "traffic.jsonl", "--traffic-field", "output=reply"]
    trained = shop.ok(*words)
    assert trained["id"] != steps["train"]["id"]
    assert trained["rate_source"] == "estimated"
    estimated = trained["estimated_base_rate"]["advice"]
    assert estimated["low"] <= estimated["value"] <= estimated["high"]
    assert estimated["n"] == 300
    assert abs(trained["production_base_rate"]["advice"] - 0.25) < 0.12
    folder = shop.root / ".assay" / "judges" / trained["id"]
    assert json.loads((folder / "training.json").read_text())["base_rates"]["advice"] == estimated
    report = shop.ok("evaluate", trained["id"])
    assert report["judge"] == trained["id"]
    assert "share of advice in the traffic" in shop.run(*words).err + shop.run(*words).out


def test_without_traffic_the_declared_rate_holds(steps):
    assert steps["train"]["rate_source"] == "declared"
    assert steps["train"]["production_base_rate"] == {"no_advice": 0.8, "advice": 0.2}
    assert steps["train"]["estimated_base_rate"] == {}


def test_bad_traffic_is_refused_before_the_training(shop: Shop):
    write_rows(shop.root / "traffic.jsonl", skewed(40, 0.5))
    for more, said in (
        (["--traffic", "absent.jsonl"], "There is no file"),
        (["--traffic", "traffic.jsonl", "--traffic-field", "input=question"], "nothing to judge"),
        (["--traffic", "traffic.jsonl", "--base-rate", "0.1"], "either declared or estimated"),
        (["--traffic-field", "output=reply"], "about a file of traffic"),
    ):
        error = shop.run(*shop.train_words, *more, "--json").error
        assert said in error["problem"], error
    assert len(shop.ok("list", "advice")["versions"]) == 1
