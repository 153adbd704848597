from collections.abc import Callable

import pytest
from simulated_judge import Scene, binary_criterion, scene_of


@pytest.fixture(scope="session")
def scene() -> Scene:
    return scene_of(binary_criterion(), production={"education": 0.98, "advice": 0.02}, strength=3.0)


@pytest.fixture(scope="session")
def make_scene() -> Callable[..., Scene]:
    return scene_of
