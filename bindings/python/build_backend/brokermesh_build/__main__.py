# SPDX-License-Identifier: Apache-2.0
"""python -m brokermesh_build: see the package."""

import sys

from . import main
from .errors import BuildError

try:
    sys.exit(main(sys.argv))
except BuildError as e:
    sys.exit("brokermesh_build: " + str(e))
