"""Settings: defaults by size, and errors that say what would do."""

import dataclasses

import pytest

from assay.models.backbone import Backbone, find_backbone
from assay.schema.errors import InputError
from assay.training.settings import TrainingSettings, settings_for


@pytest.fixture
def backbone_of(tiny):
    """A tiny backbone that says it has so many parameters."""

    def make(kind: str = "bert", parameters: int = 22_000_000) -> Backbone:
        found = find_backbone(str(tiny(kind)))
        return dataclasses.replace(found, ref=dataclasses.replace(found.ref, parameters=parameters))

    return make


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_larger_backbones_take_smaller_steps(backbone_of, kind):
    rates = {
        method: [
            settings_for(backbone_of(kind, size), method).learning_rate
            for size in (22_000_000, 400_000_000, 1_000_000_000, 8_000_000_000)
        ]
        for method in ("lora", "full")
    }
    for method in rates.values():
        assert method == sorted(method, reverse=True)
    assert all(1e-5 <= rate <= 5e-5 for method in rates.values() for rate in method[2:])


def test_defaults_fit_the_window(backbone_of, tiny):
    assert settings_for(backbone_of("bert"), "full").max_tokens == 256
    assert settings_for(backbone_of("llama"), "lora").max_tokens == 512  # its window; 1024 were there more
    short = find_backbone(str(tiny("bert", max_position_embeddings=100)))
    assert settings_for(short, "full").max_tokens == 100


def test_overrides_count_and_none_does_not(backbone_of):
    settings = settings_for(backbone_of(), "full", {"epochs": 3, "seed": 7, "learning_rate": None})
    assert (settings.epochs, settings.seed) == (3, 7)
    assert settings.learning_rate == settings_for(backbone_of(), "full").learning_rate


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"learning_rat": 1e-3}, "did you mean 'learning_rate'"),
        ({"zzz": 1}, "known fields: method, learning_rate"),
        ({"epochs": 0}, r"epochs is out of range.*above 0"),
        ({"batch_size": -1}, r"batch_size is out of range.*above 0"),
        ({"learning_rate": 0.0}, r"learning_rate is out of range.*above 0"),
        ({"learning_rate": float("nan")}, r"learning_rate is out of range.*above 0"),
        ({"max_tokens": 513}, r"longer than the backbone's window.*at most 512.*--max-tokens 512"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"warmup_share": 1.5}, "warmup_share"),
        ({"epochs": 2.5}, "epochs: Input should be a valid integer"),
        ({"epochs": "three"}, "epochs: Input should be a valid integer"),
        ({"layout": "sideways"}, "layout"),
        ({"explanation_weight": -0.1}, r"explanation_weight is out of range.*0 or more"),
        ({"max_explanation_tokens": 0}, r"max_explanation_tokens is out of range.*above 0"),
    ],
)
def test_wrong_overrides_are_refused(backbone_of, overrides, message):
    with pytest.raises(InputError, match=message):
        settings_for(backbone_of(), "full", overrides)


def test_a_decoder_has_no_head_to_train(backbone_of):
    with pytest.raises(InputError, match=r"no head to train.*--method lora"):
        settings_for(backbone_of("llama"), "head")


def test_activated_lora_is_content_first(backbone_of):
    assert settings_for(backbone_of("llama"), "alora").layout == "content-first"
    assert (
        settings_for(backbone_of("llama"), "alora").learning_rate
        == settings_for(backbone_of("llama"), "lora").learning_rate
    )
    with pytest.raises(InputError, match=r"content before the question.*--layout content-first"):
        settings_for(backbone_of("llama"), "alora", {"layout": "instruction-first"})
    with pytest.raises(InputError, match=r"reads everything at once.*--lora-layers top:1"):
        settings_for(backbone_of("bert"), "alora")


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_layers_for_lora(backbone_of, kind):
    assert settings_for(backbone_of(kind), "lora").lora_layers == "all"
    assert settings_for(backbone_of(kind), "lora", {"lora_layers": "top:2"}).lora_layers == "top:2"
    for wrong in ("top:0", "top:3", "top:", "bottom:1", "1"):
        with pytest.raises(InputError, match="top:"):
            settings_for(backbone_of(kind), "lora", {"lora_layers": wrong})
    with pytest.raises(InputError, match="Only LoRA can be put on some of the layers"):
        settings_for(backbone_of(kind), "full", {"lora_layers": "top:1"})


def test_settings_are_plain_values(backbone_of):
    values = dataclasses.asdict(settings_for(backbone_of(), "full"))
    assert TrainingSettings(**values) == settings_for(backbone_of(), "full")
    assert all(isinstance(value, str | int | float | bool) for value in values.values())
