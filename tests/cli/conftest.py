"""A workspace made by the command line itself, with a judge trained on a tiny backbone; each test gets a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answering import RECORDED
from augmenting_bank import FREEZE
from shop import CRITERION, Shop, labelled_rows, write_rows


@pytest.fixture(scope="session")
def new_shop(tiny: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Shop]:
    """Fresh workspaces with a criterion and rows.jsonl, nothing imported."""

    def make() -> Shop:
        root = tmp_path_factory.mktemp("shop")
        (root / "criteria").mkdir()
        (root / "criteria" / "advice.toml").write_text(CRITERION)
        shop = Shop(root=root, backbone=str(tiny("bert")))
        shop.ok("init", "--criterion", "advice")
        write_rows(root / "rows.jsonl", labelled_rows(360))
        return shop

    return make


@pytest.fixture(scope="session")
def steps(new_shop: Callable[[], Shop]) -> dict[str, Any]:
    """The whole path once, by the commands; what each of them printed. Do not write here: take `shop`."""
    shop = new_shop()
    found: dict[str, Any] = {"shop": shop}
    found["import"] = shop.ok("data", "import", "rows.jsonl", "--criterion", "advice")
    found["freeze"] = shop.ok("data", "freeze", "advice", "--min-test-per-class", "30")
    found["train"] = shop.ok(*shop.train_words)
    found["evaluate"] = shop.ok("evaluate", "advice@candidate")
    return found


@pytest.fixture
def shop(steps: dict[str, Any], tmp_path: Path) -> Shop:
    """A copy of the workspace with the evaluated judge."""
    shutil.copytree(steps["shop"].root, tmp_path / "shop")
    return Shop(root=tmp_path / "shop", backbone=steps["shop"].backbone)


@pytest.fixture
def empty_shop(new_shop: Callable[[], Shop]) -> Shop:
    """A workspace with a criterion and rows.jsonl, nothing imported."""
    return new_shop()


@pytest.fixture(scope="session")
def frozen_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the 24 written rows, labelled by an expert and frozen. Do not write here: take `bank`."""
    root = tmp_path_factory.mktemp("bank")
    (root / "criteria").mkdir()
    (root / "criteria" / "advice.toml").write_text(CRITERION)
    shop = Shop(root=root, backbone="none")
    shop.ok("init", "--criterion", "advice")
    rows = [{name: row[name] for name in ("id", "input", "output", "label")} for row in RECORDED]
    write_rows(root / "rows.jsonl", rows)
    shop.ok("data", "import", "rows.jsonl", "--criterion", "advice", "--label-source", "expert")
    shop.ok(*FREEZE)
    return root


@pytest.fixture
def bank(frozen_bank: Path, tmp_path: Path) -> Shop:
    """A copy of the workspace."""
    shutil.copytree(frozen_bank, tmp_path / "bank")
    return Shop(root=tmp_path / "bank", backbone="none")
