# SPDX-License-Identifier: Apache-2.0
"""Wheels and sdists, written so that the same sources give the same bytes."""

import base64
import gzip
import hashlib
import io
import os
import tarfile
import zipfile

# The oldest date that a zip file can carry: no archive depends on when it was made.
EPOCH = (1980, 1, 1, 0, 0, 0)


class Wheel:
    """A wheel under way. It appears under its name when it is complete, and not at all after an exception."""

    def __init__(self, directory, about, tag):
        self.name = "%s-%s-%s.whl" % (about.name, about.version, tag)
        self._info = "%s-%s.dist-info" % (about.name, about.version)
        self._path = directory / self.name
        self._about, self._tag = about, tag
        self._record = []

    def __enter__(self):
        self._zip = zipfile.ZipFile(str(self._path) + ".part", "w", zipfile.ZIP_DEFLATED)
        return self

    def add(self, name, content, executable=False):
        """Put one file in."""
        entry = zipfile.ZipInfo(name, EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        self._zip.writestr(entry, content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        self._record.append("%s,sha256=%s,%d" % (name, digest, len(content)))

    def __exit__(self, kind, value, trace):
        part = str(self._path) + ".part"
        if kind is not None:
            self._zip.close()
            os.remove(part)
            return
        self.add(self._info + "/METADATA", self._about.text().encode())
        self.add(self._info + "/WHEEL", ("Wheel-Version: 1.0\nGenerator: brokermesh_build\nRoot-Is-Purelib: false\nTag: %s\n"
                                         % self._tag).encode())
        self._record.append(self._info + "/RECORD,,\n")
        entry = zipfile.ZipInfo(self._info + "/RECORD", EPOCH)
        entry.external_attr = 0o100644 << 16
        self._zip.writestr(entry, "\n".join(self._record))
        self._zip.close()
        os.replace(part, self._path)


class Sdist:
    """A source archive under way; everything is below NAME-VERSION/."""

    def __init__(self, directory, about):
        self._top = "%s-%s" % (about.name, about.version)
        self.name = self._top + ".tar.gz"
        self._path = directory / self.name
        self._about = about

    def __enter__(self):
        self._raw = open(str(self._path) + ".part", "wb")
        self._gzip = gzip.GzipFile("", "wb", fileobj=self._raw, mtime=0)
        self._tar = tarfile.open(fileobj=self._gzip, mode="w", format=tarfile.PAX_FORMAT)
        return self

    def add(self, name, path):
        """Put one file in."""
        self._write(name, path.read_bytes())

    def _write(self, name, content):
        info = tarfile.TarInfo(self._top + "/" + name)
        info.size, info.mode = len(content), 0o644
        self._tar.addfile(info, io.BytesIO(content))

    def __exit__(self, kind, value, trace):
        if kind is None:
            self._write("PKG-INFO", self._about.text().encode())
        for f in (self._tar, self._gzip, self._raw):
            f.close()
        part = str(self._path) + ".part"
        if kind is None:
            os.replace(part, self._path)
        else:
            os.remove(part)
