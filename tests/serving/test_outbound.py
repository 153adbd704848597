"""Addresses that callers give: what is refused, and that the connection goes to the address that was looked at."""

import asyncio
import json

import httpx
import pytest

from assay.llm.recorded_endpoint import RecordedEndpoint, Reply
from assay.schema.errors import InputError, RefusedError
from assay.serving.outbound import PublicTransport, check_address, public_only

PRIVATE = (
    *("127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
    *("::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "::"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address):
    with pytest.raises(RefusedError, match="not on the public internet"):
        public_only([address], "host")


def test_one_private_address_among_public_ones_is_enough():
    assert public_only(["93.184.216.34", "2606:2800:220:1::1"], "host")[0] == "93.184.216.34"
    with pytest.raises(RefusedError):
        public_only(["93.184.216.34", "127.0.0.1"], "host")
    with pytest.raises(RefusedError):
        public_only([], "host")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://x/",
        "https://",
        "https://user:pw@host/",
        "http://host:0/",
        "http://host:x/",
        "x" * 3000,
    ],
)
def test_an_address_of_another_form_is_refused(url):
    with pytest.raises(InputError, match="no address that can be called"):
        check_address(url)


def test_addresses_in_digits_are_looked_at_at_once():
    assert check_address("https://example.org/hook?x=1") == "https://example.org/hook?x=1"
    with pytest.raises(RefusedError):
        check_address("http://169.254.169.254/latest/meta-data")
    with pytest.raises(RefusedError):
        check_address("http://[::1]:8080/")


def posted(url, resolve, inner=None):
    async def send():
        async with httpx.AsyncClient(transport=PublicTransport(inner, resolve)) as client:
            return await client.post(url, json={"a": 1})

    return asyncio.run(send())


def test_a_name_that_points_inside_is_refused_when_it_is_called():
    async def inside(host, port):
        return ["127.0.0.1"]

    with RecordedEndpoint([Reply(body=b"{}")]) as endpoint:
        port = endpoint.base_url.split(":")[2].split("/")[0]
        with pytest.raises(RefusedError):
            posted(f"http://example.org:{port}/v1", inside)
        with pytest.raises(RefusedError):
            posted(f"http://localhost:{port}/v1", None)
    assert endpoint.asked == []


def test_the_connection_goes_to_the_address_that_was_looked_at():
    seen = []

    async def outside(host, port):
        seen.append((host, port))
        return ["93.184.216.34"]

    async def record(request):
        seen.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
        return httpx.Response(200, json=json.loads(await request.aread()))

    assert posted("https://example.org/hook", outside, httpx.MockTransport(record)).json() == {"a": 1}
    assert seen == [("example.org", 443), ("93.184.216.34", "example.org", "example.org")]
