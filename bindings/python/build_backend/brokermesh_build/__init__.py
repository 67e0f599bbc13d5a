# SPDX-License-Identifier: Apache-2.0
"""The build backend of the Python bindings (PEP 517 and PEP 660), with the standard library only.

It needs the go command, a C compiler and Python's headers; nothing is fetched but Go modules that aren't in Go's cache yet. It can be
run by hand as well, in the folder build_backend:

    python -m brokermesh_build wheel DIRECTORY      build a wheel
    python -m brokermesh_build sdist DIRECTORY      pack the sources, the Go ones too
    python -m brokermesh_build editable DIRECTORY   build the libraries into the source tree, and a wheel that points there
    python -m brokermesh_build unpack WHEEL FOLDER  put what a wheel holds into a site-packages folder, for want of pip
"""

import os
import sys
import tempfile
import zipfile
from pathlib import Path

from . import archive, elf, metadata, native
from .errors import BuildError

PROJECT = Path(__file__).resolve().parent.parent.parent

# What of the package's own files a wheel takes in: the package and the old name of its extension module.
PATTERNS = ("broker/**/*.py", "broker/**/*.pyi", "broker/py.typed", "_broker.py", "_broker.pyi")


def get_requires_for_build_wheel(config_settings=None):
    """Nothing: no package index is ever asked."""
    return []


get_requires_for_build_sdist = get_requires_for_build_wheel
get_requires_for_build_editable = get_requires_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """Build the libraries and put them with the package into a wheel; its name is the result."""
    about = metadata.load(PROJECT)
    with tempfile.TemporaryDirectory(prefix="brokermesh-build-") as scratch:
        libraries = native.build(PROJECT, Path(scratch))
        tag = _tag(libraries)
        with archive.Wheel(Path(wheel_directory), about, tag) as wheel:
            for name, path in _package_files():
                wheel.add(name, path.read_bytes())
            for path in libraries:
                wheel.add("broker/" + path.name, path.read_bytes(), executable=True)
    return wheel.name


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Build the libraries into the source tree; the wheel holds nothing but a pointer to it."""
    about = metadata.load(PROJECT)
    tag = _tag(native.build(PROJECT, PROJECT / "broker"))
    with archive.Wheel(Path(wheel_directory), about, tag) as wheel:
        wheel.add("brokermesh.pth", (str(PROJECT) + "\n").encode())
    return wheel.name


def build_sdist(sdist_directory, config_settings=None):
    """Pack everything that a build needs, the Go sources of the C library included."""
    about = metadata.load(PROJECT)
    with archive.Sdist(Path(sdist_directory), about) as sdist:
        for pattern in ("pyproject.toml", "README.md", "_broker.py*", "build_backend/**/*.py", "broker/**/*.py", "broker/**/*.pyi",
                        "broker/py.typed", "ext/*.[ch]", "tests/**/*.py"):
            for path in sorted(PROJECT.glob(pattern)):
                sdist.add(path.relative_to(PROJECT).as_posix(), path)
        for name, path in native.go_sources(PROJECT):
            sdist.add(native.SDIST_GO + "/" + name, path)
    return sdist.name


def _package_files():
    seen = {}
    for pattern in PATTERNS:
        for path in PROJECT.glob(pattern):
            seen[path.relative_to(PROJECT).as_posix()] = path
    return sorted(seen.items())


def _tag(libraries):
    """The wheel's tag: the C library's and the extension's needs, whichever is newer."""
    images = [elf.Image(path) for path in libraries]
    for image in images:
        image.check()
    major, minor = max(image.glibc() for image in images)
    return "cp39-abi3-manylinux_%d_%d_%s" % (major, minor, images[0].machine())


def unpack(wheel, folder):
    """Install a wheel the plain way: it has neither programs nor data files, so its files are its installation."""
    with zipfile.ZipFile(wheel) as z:
        z.extractall(folder)


def main(argv):
    """Run one of the commands that the module's text lists."""
    if len(argv) == 3 and argv[1] in ("wheel", "sdist", "editable"):
        Path(argv[2]).mkdir(parents=True, exist_ok=True)
        build = {"wheel": build_wheel, "sdist": build_sdist, "editable": build_editable}[argv[1]]
        print(os.path.join(argv[2], build(argv[2])))
        return 0
    if len(argv) == 4 and argv[1] == "unpack":
        unpack(argv[2], argv[3])
        return 0
    print(__doc__, file=sys.stderr)
    return 2
