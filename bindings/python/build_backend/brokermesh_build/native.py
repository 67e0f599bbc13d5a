# SPDX-License-Identifier: Apache-2.0
"""Builds the two libraries: the C library with Go, the extension module with the C compiler."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from .errors import BuildError

CAPI = "bindings/python/capi"
# Where a source archive keeps the Go module; a checkout has it two folders up.
SDIST_GO = "gosrc"

GO_LIBRARY = "libbrokermesh.so"
EXTENSION = "_native.abi3.so"


def build(project, out):
    """Build both into a folder; the paths, the Go library first."""
    module = go_module(project)
    return [_build_go(module, out / GO_LIBRARY), _build_extension(project, module, out / EXTENSION)]


def go_module(project):
    """The folder of the Go module that the C library belongs to."""
    for folder in (project / SDIST_GO, project.parent.parent):
        if (folder / "go.mod").exists() and (folder / CAPI).is_dir():
            return folder
    raise BuildError("the Go sources aren't where they should be, two folders above %s. A pip older than 21.3 copies what it builds "
                     "to another place: take a newer one" % project)


def _build_go(module, target):
    _tool("go", "Go from https://go.dev/dl/")
    # A checkout builds offline as long as Go's module cache is filled; the binary doesn't depend on where it was built.
    _run(["go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags=-s -w", "-o", str(target), "./" + CAPI], module)
    target.with_suffix(".h").unlink()  # what cgo writes; brokermesh.h is the real one
    return target


def _build_extension(project, module, target):
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    command = compiler.split()
    if not shutil.which(command[0]):
        command = ["cc"]
    _tool(command[0], "a C compiler (Debian: apt-get install gcc libc6-dev)")
    include = sysconfig.get_path("include")
    if not (Path(include) / "Python.h").exists():
        raise BuildError("%s has no headers in %s (Debian: apt-get install python3-dev)" % (sys.executable, include))
    sources = sorted(str(p) for p in (project / "ext").glob("*.c"))
    if not sources:
        raise BuildError("%s holds no C sources" % (project / "ext"))
    flags = ["-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-Wall", "-DNDEBUG", "-DPy_LIMITED_API=0x03090000", "-I" + include,
             "-I" + str(module / CAPI), "-I" + str(project / "ext"), "-Wl,-s", "-o", str(target)]
    _run(command + flags + os.environ.get("CFLAGS", "").split() + sources + ["-ldl"], project)
    return target


def go_sources(project):
    """The files of the module that the C library is built from, as (path inside the module, file)."""
    module = go_module(project)
    _tool("go", "Go from https://go.dev/dl/")
    listing = _run(["go", "list", "-deps", "-json=Dir,Module,GoFiles,CgoFiles,CFiles,HFiles,SFiles,EmbedFiles", "./" + CAPI], module)
    yield "go.mod", module / "go.mod"
    yield "go.sum", module / "go.sum"
    decoder, at = json.JSONDecoder(), 0
    while at < len(listing):
        package, at = decoder.raw_decode(listing, at)
        while at < len(listing) and listing[at].isspace():
            at += 1
        if not package.get("Module", {}).get("Main"):
            continue
        folder = Path(package["Dir"])
        for kind in ("GoFiles", "CgoFiles", "CFiles", "HFiles", "SFiles", "EmbedFiles"):
            for name in package.get(kind) or []:
                yield (folder / name).relative_to(module).as_posix(), folder / name


def _tool(name, remedy):
    if not shutil.which(name):
        raise BuildError("%s isn't in PATH: please install %s" % (name, remedy))


def _run(command, folder):
    env = dict(os.environ, CGO_ENABLED="1")
    try:
        done = subprocess.run(command, cwd=str(folder), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    except OSError as e:
        raise BuildError("%s: %s" % (command[0], e)) from None
    if done.returncode != 0:
        raise BuildError("%s failed:\n%s" % (" ".join(command), (done.stderr or done.stdout).strip()))
    if done.stderr.strip():
        print(done.stderr.strip(), file=sys.stderr)  # warnings of the compiler
    return done.stdout
