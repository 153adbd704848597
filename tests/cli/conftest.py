"""A workspace made by the command line itself, with a judge trained on a tiny backbone; each test gets a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
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
