"""``python -m sparsesolve``: see `sparsesolve.cli`."""

import sys

from .cli import main

sys.exit(main())
