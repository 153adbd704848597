"""`import assay` stays light."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "numpy", "pydantic", "sqlalchemy")


def loaded_after(script: str) -> set[str]:
    code = f"import sys\n{script}\nprint(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_assay_loads_nothing():
    assert loaded_after("import assay; dir(assay); assay.__version__") == set()


def test_the_data_and_registry_side_needs_no_torch():
    assert loaded_after("import assay; assay.Workspace; assay.load; assay.Example") == set(HEAVY) - {
        "torch",
        "transformers",
    }
