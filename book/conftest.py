"""Give nbval's kernels the environment in which `make chapters` executed the notebooks.

What the caller has set stays: `OMP_NUM_THREADS=2 pytest --nbval book` runs with two threads.
"""

import os

from notebooks import ENVIRONMENT

for name, value in ENVIRONMENT.items():
    os.environ.setdefault(name, value)
