# SPDX-License-Identifier: Apache-2.0
"""The version of the bindings, where the build reads it as well."""

__version__ = "0.1.0"
