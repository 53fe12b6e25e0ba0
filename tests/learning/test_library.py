"""`learning.methods` is a library of its own: nothing of the service is needed to use it."""

import subprocess
import sys

from config.env import ROOT

ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"django", "torch", "celery", "sklearn", "transformers", "config"}:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Absent())
import learning.methods
for name in learning.methods.__all__:
    assert getattr(learning.methods, name).__module__.startswith("learning.methods"), name
"""


def test_every_public_name_comes_without_django_and_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
