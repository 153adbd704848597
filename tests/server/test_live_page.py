"""The live page in a real browser: what a person sees, and that nothing of a caller's becomes markup."""

import asyncio
import os
import socket
from pathlib import Path

import httpx
import pytest
import uvicorn

from assay.api.keys import make_key
from assay.server.app import server_app
from assay.server.running import serving_of

async_api = pytest.importorskip("playwright.async_api")
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium at /usr/bin/chromium (set CHROMIUM)"),
]


@pytest.fixture
async def browser():
    async with async_api.async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        await opened.close()


async def test_a_person_sees_the_traffic(shop, asked, browser):
    version = shop.add(alias="champion")
    with (
        socket.socket() as listening,
        serving_of(shop.settings, make_engine=lambda _: shop.engine, open_access=True) as serving,
    ):
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(server_app(serving), log_level="error"))
        running = asyncio.create_task(server.serve(sockets=[listening]))
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            for number in range(20):
                await client.post("/v1/judge", json=asked(f"text {number} <img src=x onerror=alert(1)>"))
            shop.engine.stall()
            await client.post("/v1/judge", json=asked(deadline_ms=20))
            shop.engine.go_on()
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto(f"{address}/ui/")
        await page.wait_for_selector("#newest tr")
        rows = await page.locator("#newest tr").count()
        figures = await page.locator("#figures").inner_text()
        routes = await page.locator("#routes").inner_text()
        aliases = await page.locator("#aliases").inner_text()
        lines = await page.locator("#rate polyline").count()
        if folder := os.environ.get("ASSAY_SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/live.png", full_page=True)
            await page.set_viewport_size({"width": 390, "height": 800})
            await page.screenshot(path=f"{folder}/live-phone.png", full_page=True)
        await asyncio.to_thread(make_key, serving.database, "ops", ["read"])
        secret = (await asyncio.to_thread(make_key, serving.database, "ops", ["read"])).secret
        serving.access.forget()
        await page.wait_for_selector("#sign-in:not([hidden])")
        hidden = await page.locator("main").is_hidden()
        await page.fill("#key", secret)
        await page.click("#sign-in button")
        await page.wait_for_selector("#newest tr")
        await page.close()
        server.should_exit = True
        await running
    assert rows == 21
    assert "verdicts in 15 minutes" in figures
    assert "fallback.action" in routes
    assert version in aliases
    assert lines == 2
    assert hidden
    assert [line for line in said if "401" not in line] == []
