# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/python: they run, and print what is in the file beside them."""

import contextlib
import os
import re
import subprocess
import sys
import unittest

from support import PATIENCE, ROOT, directory

EXAMPLES = ROOT / "examples" / "python"

#: Programs that run with others, or print numbers that differ each time.
TOGETHER = {"zeek_ping", "zeek_pong", "sqlite_listen", "sqlite_connect", "throughput", "connect"}


@contextlib.contextmanager
def begun(name, *args):
    """A program that runs beside the test, after its first line; gives the line's third word, a port."""
    p = subprocess.Popen([sys.executable, str(EXAMPLES / (name + ".py")), *map(str, args)],
                         stdout=subprocess.PIPE, universal_newlines=True)
    try:
        line = p.stdout.readline()
        if not line.startswith("listening on "):
            raise AssertionError("%s began with %r" % (name, line))
        yield p, int(line.split()[2]), line
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def printed(name, *args, cwd=None):
    """What a program prints; nothing may go to standard error."""
    done = subprocess.run([sys.executable, str(EXAMPLES / (name + ".py")), *map(str, args)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          timeout=2 * PATIENCE, cwd=cwd)
    if done.returncode != 0 or done.stderr:
        raise AssertionError("%s ended with %d\n%s%s" % (name, done.returncode, done.stdout, done.stderr))
    return done.stdout


def expected(name):
    return (EXAMPLES / (name + ".txt")).read_text(encoding="utf-8")


class Examples(unittest.TestCase):
    maxDiff = None

    def test_alone(self):
        alone = sorted(p.stem for p in EXAMPLES.glob("*.py") if p.stem not in TOGETHER)
        self.assertGreater(len(alone), 7)
        for name in alone:
            with self.subTest(name):
                self.assertEqual(printed(name), expected(name))

    def test_zeek_ping(self):
        with begun("zeek_pong", 0) as (pong, port, _):
            self.assertEqual(printed("zeek_ping", port), expected("zeek_ping"))
            self.assertEqual(pong.wait(PATIENCE), 0)

    def test_sqlite(self):
        with directory() as d:
            path = os.path.join(d, "mystore.sqlite")
            with begun("sqlite_listen", 0, path) as (listener, port, line):
                self.assertTrue(line.endswith("with foo None\n"), line)
                *values, last = printed("sqlite_connect", port, 20, 0.01).splitlines()
                self.check_counting(values)
                self.assertEqual(last, "at last 20")
                self.assertEqual(listener.wait(PATIENCE), 0)
                seen = listener.stdout.read().splitlines()
                self.assertEqual([s.split()[0] for s in seen],
                                 ["SC.EndpointDiscovered", "SC.PeerAdded"] + [s.split()[0] for s in seen[2:]])
                self.assertEqual(seen[-1], "SC.EndpointUnreachable 20")
            with begun("sqlite_listen", 0, path) as (_, port, line):
                self.assertTrue(line.endswith("with foo 20\n"), line)

    def check_counting(self, values):
        """Nothing at first, perhaps, and then numbers that never fall and are never ahead."""
        numbers = [0 if v == "None" else int(v) for v in values]
        self.assertEqual(numbers, sorted(numbers))
        self.assertTrue(all(n <= i + 1 for i, n in enumerate(numbers)), numbers)

    def test_throughput(self):
        for kind in (1, 3):
            with begun("throughput", "serve", 0) as (_, port, _):
                lines = printed("throughput", kind, port, 1).splitlines()
                self.assertTrue(lines)
                for line in lines:
                    self.assertTrue(re.match(r"[1-9]\d* events/s received$", line), line)

    def test_every_example_is_known(self):
        for p in EXAMPLES.glob("*.txt"):
            self.assertTrue(p.with_suffix(".py").exists(), p)


if __name__ == "__main__":
    unittest.main()
