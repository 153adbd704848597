"""Webhooks when the clock is set back, and secrets that cannot be read."""

import httpx
import pytest

from assay.schema.errors import InputError
from assay.serving.webhook import Webhook
from assay.serving.webhooks import PAUSES_S, Webhooks
from assay.store import deliveries
from assay.store.database import open_database
from assay.store.deliveries import Delivery


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
@pytest.mark.parametrize("jump_s", [-10, -3600, -90_000])
async def test_a_clock_that_is_set_back_delays_a_delivery_by_its_own_pause_at_most(tmp_path, jump_s):
    database = open_database(f"sqlite:///{tmp_path / 'assay.db'}")
    now = [1_000_000.0]
    addresses = {"team": Webhook(url="http://team/", secret="secret")}  # noqa: S106 - of this test
    webhooks = Webhooks(database, addresses, "here", clock=lambda: now[0])
    with database.begin() as connection:
        deliveries.add(connection, [Delivery(id="msg_1", webhook="team", body="{}")])
    away = httpx.MockTransport(lambda request: httpx.Response(503))
    async with httpx.AsyncClient(transport=away) as client:
        for pause in PAUSES_S[:3]:
            assert await webhooks.step(client) == 1
            assert await webhooks.step(client) == 0  # its pause holds
            now[0] += pause
        now[0] += jump_s
        assert await webhooks.step(client) == (-jump_s > PAUSES_S[2])  # else what is left is shorter than its pause
    database.close()


@pytest.mark.parametrize("secret", ["whsec_", "whsec_not base64!", "whsec_abc", ""])
def test_a_secret_that_cannot_be_read_is_refused_and_not_shown(secret):
    with pytest.raises(InputError, match="secret of a webhook") as refused:
        Webhook(url="http://team/", secret=secret)
    assert "base64!" not in str(refused.value)


def test_a_secret_is_base64_after_its_prefix_and_text_without():
    assert Webhook(url="u", secret="whsec_c2VjcmV0").key == b"secret"  # noqa: S106 - of this test
    assert Webhook(url="u", secret="secret").key == b"secret"  # noqa: S106
