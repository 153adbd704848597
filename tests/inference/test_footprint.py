"""What judges take: shared weights once, int8 and full judges each their own; and who shares an engine."""

import dataclasses

from assay.inference.factory import Engines
from assay.inference.footprint import COPY_BYTES, PREFIX_BYTES, footprint_elsewhere, footprint_of, total_bytes
from assay.testing_engine import TestEngine

FILES = 7


def test_judges_of_one_backbone_and_number_format_share_its_weights(make_version):
    head = make_version()  # 22 parameters
    halved = dataclasses.replace(head, dtype="bfloat16")
    assert total_bytes(footprint_of(one, FILES) for one in (head, make_version(seed=1))) == 22 * 4 + 2 * FILES
    assert total_bytes(footprint_of(one, FILES) for one in (head, halved)) == 22 * 4 + 22 * 2 + 2 * FILES


def test_int8_and_full_judges_have_a_model_each(make_version):
    eights = [dataclasses.replace(make_version(seed=seed), dtype="int8") for seed in range(2)]
    fulls = [dataclasses.replace(make_version(seed=seed), method="full") for seed in range(2)]
    assert total_bytes(footprint_of(one, FILES) for one in eights) == 2 * 22 * 2
    assert total_bytes(footprint_of(one, FILES) for one in fulls) == 2 * 22 * 4


def test_an_encoder_that_may_get_layers_of_its_own_is_counted_with_them(make_version):
    lora = dataclasses.replace(make_version(), method="lora")
    tops = [dataclasses.replace(lora, training={"lora_layers": f"top:{layers}"}) for layers in (3, 12)]
    large = dataclasses.replace(lora, backbone=dataclasses.replace(lora.backbone, parameters=10**9))
    assert [footprint_of(one, FILES).own_bytes for one in (lora, *tops)] == [
        22 * 4 + FILES,
        11 * 4 + FILES,
        22 * 4 + FILES,
    ]
    assert footprint_of(large, FILES).own_bytes == COPY_BYTES + FILES


def test_decoders_are_counted_with_the_prefixes_that_their_engine_may_keep(make_version):
    loras = [dataclasses.replace(make_version(seed=seed), family="decoder", method="lora") for seed in range(2)]
    full = dataclasses.replace(make_version(seed=2), family="decoder", method="full")
    assert total_bytes(footprint_of(one, FILES) for one in loras) == 22 * 4 + PREFIX_BYTES + 2 * FILES
    assert total_bytes(footprint_of(one, FILES) for one in (*loras, full)) == 2 * (22 * 4 + PREFIX_BYTES + FILES)


def test_a_judge_on_another_machine_takes_nothing_here(make_version):
    decoder = dataclasses.replace(make_version(), family="decoder", method="lora")
    assert total_bytes(footprint_elsewhere(one, FILES) for one in (make_version(), decoder)) == 0


def test_a_lost_engine_is_replaced_once_and_never_the_fresh_one(make_version):
    engines = Engines(lambda _: TestEngine())
    first, second = make_version(), make_version(seed=1)
    old = engines.join(first)
    assert engines.join(second) is old
    old.crash()
    fresh = engines.join(first)
    engines.leave(second, old)
    assert engines.join(second) is fresh
    assert not fresh.lost


def test_an_engine_without_judges_is_closed_for_the_next_one_and_kept_for_its_own(make_version):
    engines = Engines(lambda _: TestEngine())
    first, other = make_version(), dataclasses.replace(make_version(), dtype="bfloat16")
    engine = engines.join(first)
    engines.leave(first, engine)
    assert engines.join(make_version(seed=1)) is engine
    engines.leave(make_version(seed=1), engine)
    engines.join(other)
    assert engine.lost
