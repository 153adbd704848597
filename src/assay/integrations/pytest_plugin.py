"""The pytest plug-in: a fixture `assert_passes`, found by pytest wherever Assay is installed.

    def test_answer(assert_passes):
        assert_passes("advice@champion", input="Which fund?", output=bank_bot("Which fund?"))

Judges run in this process, from the workspace around the current folder or `--assay-workspace FOLDER`; with
`--assay-url URL` a server is asked. The options can stand in the ini file as assay_workspace, assay_url and so on.
"""

# What pytest loads in every run, of every project, imports nothing more before the fixture is asked for.
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from assay.integrations.asserting import Heard, Judges

OPTIONS = {
    "assay_workspace": "folder of the workspace whose judges are asked in this process",
    "assay_url": "address of a server whose judges are asked instead",
    "assay_api_key_variable": "environment variable with the server's API key (default ASSAY_API_KEY)",
    "assay_on_error": "what a test does when the server cannot be asked: fail (default) or skip",
}
ON_ERROR = ("fail", "skip")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, to the command line and to the ini file."""
    group = parser.getgroup("assay", "judges of Assay")
    for name, words in OPTIONS.items():
        group.addoption(f"--{name.replace('_', '-')}", dest=name, default=None, help=words)
        parser.addini(name, words, default="")


@pytest.fixture(scope="session")
def assert_passes(request: pytest.FixtureRequest) -> Iterator[Callable[..., "Heard"]]:
    """`assert_passes(judge, expect=…, input=…, output=…)`: fails where the verdict is not one of those expected."""
    from assay.integrations.asserting import AssertPasses, UnreachableError  # noqa: PLC0415 - see above
    from assay.schema.errors import AssayError  # noqa: PLC0415 - see above

    on_error = _option(request.config, "assay_on_error") or ON_ERROR[0]
    if on_error not in ON_ERROR:
        raise pytest.UsageError(f"--assay-on-error is one of {', '.join(ON_ERROR)}, not {on_error!r}.")
    with _judges(request.config) as judges:
        asserting = AssertPasses(judges)

        def asked(judge: str, **given: Any) -> "Heard":
            __tracebackhide__ = True
            try:
                return asserting(judge, **given)
            except AssayError as error:
                if on_error == "skip" and isinstance(error, UnreachableError):
                    pytest.skip(str(error))
                pytest.fail(str(error), pytrace=False)

        yield asked


@contextmanager
def _judges(config: pytest.Config) -> "Iterator[Judges]":
    from assay.client import Client  # noqa: PLC0415 - see above
    from assay.config import API_KEY_VARIABLE, secret  # noqa: PLC0415 - see above
    from assay.integrations.asserting import JudgesHere, JudgesServed  # noqa: PLC0415 - see above

    url, workspace = _place(config)
    if not url:
        yield JudgesHere(workspace)
        return
    api_key = secret(_option(config, "assay_api_key_variable") or API_KEY_VARIABLE)
    with Client(url, api_key=api_key) as client:
        yield JudgesServed(client)


def _place(config: pytest.Config) -> tuple[str, Path | None]:
    """The server or the workspace to ask. What the command line says goes before what the ini file says; a folder is
    meant from where it was written.
    """
    folder = config.invocation_params.dir
    url, workspace = config.getoption("assay_url"), config.getoption("assay_workspace")
    if not url and not workspace:
        folder = config.rootpath
        url, workspace = config.getini("assay_url"), config.getini("assay_workspace")
    if url and workspace:
        raise pytest.UsageError("assay-url and assay-workspace exclude each other.")
    return url or "", folder / workspace if workspace else None


def _option(config: pytest.Config, name: str) -> str:
    """An option of the command line, else of the ini file, else empty."""
    return str(config.getoption(name) or config.getini(name))
