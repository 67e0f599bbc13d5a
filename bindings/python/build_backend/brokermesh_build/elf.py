# SPDX-License-Identifier: Apache-2.0
"""What a shared library asks of the machine it is loaded on: read from its ELF image, without tools."""

import struct

from .errors import BuildError

# What is there on every Linux with glibc; a wheel must need nothing else.
ALLOWED = {"libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6", "librt.so.1", "libresolv.so.2", "ld-linux-x86-64.so.2",
           "ld-linux-aarch64.so.1"}
MACHINES = {62: "x86_64", 183: "aarch64"}

SHT_DYNAMIC, SHT_VERNEED = 6, 0x6FFFFFFE
DT_NEEDED = 1


class Image:
    """A 64-bit little-endian ELF file."""

    def __init__(self, path):
        self.path = path
        self._b = path.read_bytes()
        if self._b[:6] != b"\x7fELF\x02\x01":
            raise BuildError("%s: not a 64-bit little-endian ELF file" % path)
        offset, = struct.unpack_from("<Q", self._b, 0x28)
        size, count = struct.unpack_from("<HH", self._b, 0x3A)
        # Each section: name, type, flags, address, offset, size, link, info, alignment, entry size.
        self._sections = [struct.unpack_from("<IIQQQQIIQQ", self._b, offset + i * size) for i in range(count)]

    def machine(self):
        """The machine as wheels call it."""
        number, = struct.unpack_from("<H", self._b, 0x12)
        if number not in MACHINES:
            raise BuildError("%s: built for machine %d; wheels are made for %s" % (self.path, number, sorted(MACHINES.values())))
        return MACHINES[number]

    def needed(self):
        """The libraries it names."""
        out = []
        for s in self._of(SHT_DYNAMIC):
            for at in range(s[4], s[4] + s[5], 16):
                tag, value = struct.unpack_from("<qQ", self._b, at)
                if tag == DT_NEEDED:
                    out.append(self._string(s, value))
        return out

    def versions(self):
        """The symbol versions it needs, such as GLIBC_2.17."""
        out = []
        for s in self._of(SHT_VERNEED):
            at = s[4]
            for _ in range(s[7]):
                count, aux, following = struct.unpack_from("<2xH4xII", self._b, at)
                entry = at + aux
                for _ in range(count):
                    name, step = struct.unpack_from("<II", self._b, entry + 8)
                    out.append(self._string(s, name))
                    entry += step
                at += following
        return out

    def glibc(self):
        """The oldest glibc that it works with, as (major, minor)."""
        found = [(2, 17)]
        for v in self.versions():
            parts = v[len("GLIBC_"):].split(".") if v.startswith("GLIBC_") else []
            if len(parts) >= 2 and all(p.isdigit() for p in parts):
                found.append((int(parts[0]), int(parts[1])))
        return max(found)

    def check(self):
        """Refuse what a wheel for everybody's machine may not need."""
        foreign = sorted(set(self.needed()) - ALLOWED)
        if foreign:
            raise BuildError("%s needs %s, which not every Linux has" % (self.path.name, ", ".join(foreign)))

    def _of(self, kind):
        return [s for s in self._sections if s[1] == kind]

    def _string(self, section, offset):
        start = self._sections[section[6]][4] + offset
        return self._b[start:self._b.index(b"\0", start)].decode()
