"""A Label Studio server on 127.0.0.1 for as long as a `with` block lasts, and people who are signed in to it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

PORT = 8765
ADDRESS = f"http://127.0.0.1:{PORT}"
START_S = 240


class Person:
    """A session of somebody who signed up."""

    def __init__(self, email):
        self.client = httpx.Client(base_url=ADDRESS, timeout=60, follow_redirects=True)
        self.client.get("/user/signup/")
        token = self.client.cookies["csrftoken"]
        form = {
            "email": email,
            "password": "a-password-1",
            "csrfmiddlewaretoken": token,
            "how_find_us": "other",
            "allow_newsletters": "false",
        }
        self.client.post("/user/signup/", data=form, headers={"Referer": ADDRESS}).raise_for_status()

    def post(self, url, **rest):
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"], "Referer": ADDRESS}
        return self._json(self.client.post(url, headers=headers, **rest))

    def patch(self, url, **rest):
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"], "Referer": ADDRESS}
        return self._json(self.client.patch(url, headers=headers, **rest))

    def get(self, url, **rest):
        return self._json(self.client.get(url, **rest))

    def _json(self, response):
        if response.is_error:
            raise RuntimeError(f"{response.url}: {response.status_code} {response.text[:2000]}")
        return response.json()


class Server:
    """The server; `sign_up` makes an account."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __enter__(self):
        quiet = {
            "COLLECT_ANALYTICS": "False",
            "LATEST_VERSION_CHECK": "False",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "LABEL_STUDIO_BASE_DATA_DIR": str(self.folder),
            "DJANGO_DB": "sqlite",
        }
        command = [
            str(Path(sys.executable).with_name("label-studio")),
            "start",
            "--no-browser",
            "--internal-host",
            "127.0.0.1",
            "--port",
            str(PORT),
        ]
        self.log = (self.folder / "server.log").open("w")
        self.process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=self.log, stderr=self.log)
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise RuntimeError((self.folder / "server.log").read_text()[-3000:])
            try:
                if httpx.get(f"{ADDRESS}/health", timeout=5).is_success:
                    return self
            except httpx.TransportError:
                time.sleep(1)
        self.__exit__()
        raise RuntimeError("Label Studio did not start: " + (self.folder / "server.log").read_text()[-3000:])

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def sign_up(self, email):
        return Person(email)
