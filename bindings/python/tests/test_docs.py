# SPDX-License-Identifier: Apache-2.0
"""The guide: its code is that of the examples, and what it shows is what they print; its names exist."""

import re
import unittest

import broker

from support import ROOT

BLOCK = re.compile(r"<!-- (from|prints): (\S+) -->\n```(?:python)?\n(.*?)```\n", re.S)


def flat(code):
    """Code without indentation and empty lines."""
    return [line.strip() for line in code.splitlines() if line.strip()]


def contains(source, quote):
    """Are the parts of a quote, which ellipses separate, in a source, one after the other?"""
    lines, at = flat(source), 0
    for part in quote.split("# …\n"):
        wanted = flat(part)
        while at <= len(lines) - len(wanted) and lines[at:at + len(wanted)] != wanted:
            at += 1
        if at > len(lines) - len(wanted):
            return False
        at += len(wanted)
    return True


class Guide(unittest.TestCase):
    def setUp(self):
        self.page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")

    def test_quotes(self):
        blocks = BLOCK.findall(self.page)
        self.assertGreater(len(blocks), 15)
        for kind, path, text in blocks:
            with self.subTest("%s %s" % (kind, path)):
                source = (ROOT / path).read_text(encoding="utf-8")
                if kind == "prints":
                    self.assertEqual(text, source)
                else:
                    self.assertTrue(contains(source, text), text)

    def test_names(self):
        pages = self.page + (ROOT / "docs" / "python-migrating.md").read_text(encoding="utf-8")
        names = set(re.findall(r"\bbroker\.([A-Za-z_]\w*(?:\.[A-Z]\w*)*)", pages)) - {"conf"}
        self.assertGreater(len(names), 10)
        import broker.bro  # noqa: F401
        for name in names:
            found = broker
            for part in name.split("."):
                self.assertTrue(hasattr(found, part), name)
                found = getattr(found, part)

    def test_links(self):
        for page in ("python.md", "python-migrating.md"):
            text = (ROOT / "docs" / page).read_text(encoding="utf-8")
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
                self.assertTrue((ROOT / "docs" / link).exists(), link)


if __name__ == "__main__":
    unittest.main()
