# SPDX-License-Identifier: Apache-2.0
"""The one exception of the build."""


class BuildError(Exception):
    """Something that whoever builds can mend: the text says what."""
