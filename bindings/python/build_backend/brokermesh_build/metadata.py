# SPDX-License-Identifier: Apache-2.0
"""What the package says of itself: read from pyproject.toml and broker/_version.py, written as METADATA and PKG-INFO.

Python has a reader of TOML since 3.11 only, so the table [project] is kept to what the few lines here read: strings and lists of
strings, one line each.
"""

import ast
import re

from .errors import BuildError


class About:
    """The fields of [project] with the version, under their names with underscores."""

    def __init__(self, fields, version, readme):
        self.name = fields["name"]
        self.version = version
        self.description = fields["description"]
        self.requires_python = fields["requires-python"]
        self.keywords = fields.get("keywords", [])
        self.classifiers = fields.get("classifiers", [])
        self.readme = readme

    def text(self):
        """The core metadata, version 2.1."""
        lines = ["Metadata-Version: 2.1", "Name: " + self.name, "Version: " + self.version, "Summary: " + self.description,
                 "License: Apache-2.0", "Keywords: " + ",".join(self.keywords)]
        lines += ["Classifier: " + c for c in self.classifiers]
        lines += ["Requires-Python: " + self.requires_python, "Description-Content-Type: text/markdown"]
        return "\n".join(lines) + "\n\n" + self.readme


def load(project):
    """The metadata of the project in a folder."""
    fields = _table((project / "pyproject.toml").read_text("utf-8"), "project")
    readme = project / "README.md"
    return About(fields, version(project), readme.read_text("utf-8") if readme.exists() else "")


def version(project):
    """What broker/_version.py assigns to __version__."""
    text = (project / "broker" / "_version.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if not found:
        raise BuildError("broker/_version.py: no line __version__ = \"…\"")
    return found.group(1)


def _table(text, name):
    fields, inside = {}, False
    for line in text.splitlines():
        if line.startswith("["):
            inside = line.strip() == "[%s]" % name
        elif inside and "=" in line and not line.startswith("#"):
            key, value = (part.strip() for part in line.split("=", 1))
            if not value.startswith("{"):
                fields[key] = ast.literal_eval(value)
    return fields
