# SPDX-License-Identifier: Apache-2.0
"""The name of the reference's extension module outside of the package; it is broker._broker."""

import sys

from broker import _broker

sys.modules[__name__] = _broker
