# SPDX-License-Identifier: Apache-2.0
"""Endpoints with certificates; openssl makes them once for all tests."""

import os
import shutil
import subprocess
import tempfile
import unittest

import broker


def setUpModule():
    global DIR
    if shutil.which("openssl") is None:
        raise RuntimeError("these tests need the command openssl (Debian: apt-get install openssl)")
    DIR = tempfile.mkdtemp(prefix="brokermesh-python-tls-")
    unittest.addModuleCleanup(shutil.rmtree, DIR)
    make()


def openssl(*args):
    subprocess.run(("openssl",) + args, cwd=DIR, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def make():
    """A CA, two certificates of it (the key of the second is encrypted), and one self-signed."""
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl(*new, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(*new, "-subj", "/CN=self", "-keyout", "self.key", "-out", "self.pem")
    for name in ("one", "two"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout",
                name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-out", name + ".pem")
    openssl("rsa", "-aes256", "-passout", "pass:12345", "-in", "two.key", "-out", "two.enc.key")


def configuration(name="", ca="", key="", passphrase=""):
    """The configuration of an endpoint with these files."""
    cfg = broker.Configuration()
    if name:
        cfg.openssl_certificate = os.path.join(DIR, name + ".pem")
        cfg.openssl_key = os.path.join(DIR, key or name + ".key")
    if ca:
        cfg.openssl_cafile = os.path.join(DIR, ca + ".pem")
    cfg.openssl_passphrase = passphrase
    return cfg


class Certificates(unittest.TestCase):
    def ping(self, a, b):
        with broker.Endpoint(a) as ep1, broker.Endpoint(b) as ep2, \
                ep1.make_subscriber("/test") as s1, ep2.make_subscriber("/test") as s2:
            port = ep1.listen("127.0.0.1", 0)
            self.assertIs(ep2.peer("127.0.0.1", port, 0), True)
            ep2.publish("/test", ["ping"])
            self.assertEqual(s1.get(), ("/test", ("ping",)))
            ep1.publish("/test", ["pong"])
            self.assertEqual(s2.get(), ("/test", ("pong",)))

    def refuse(self, a, b):
        for x, y in ((a, b), (b, a)):
            with broker.Endpoint(x) as ep1, broker.Endpoint(y) as ep2, \
                    ep2.make_status_subscriber() as errors:
                port = ep1.listen("127.0.0.1", 0)
                self.assertIs(ep2.peer("127.0.0.1", port, 0), False)
                self.assertEqual(type(errors.get()), broker.Error)
                self.assertEqual((ep1.peers(), ep2.peers()), ([], []))

    def test_same_ca(self):
        self.ping(configuration("one", "ca"), configuration("two", "ca"))

    def test_encrypted_key(self):
        self.ping(configuration("one", "ca"), configuration("two", "ca", "two.enc.key", "12345"))

    def test_self_signed(self):
        self.ping(configuration("self", "self"), configuration("self", "self"))

    def test_ca_signed_and_self_signed(self):
        self.refuse(configuration("one", "ca"), configuration("self", "self"))

    def test_with_and_without(self):
        self.refuse(configuration("one", "ca"), configuration())

    def test_capath(self):
        path = os.path.join(DIR, "hashed")
        os.mkdir(path)
        shutil.copy(os.path.join(DIR, "ca.pem"), path)
        subprocess.run(["openssl", "rehash", path], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        cfg = configuration("one")
        cfg.openssl_capath = path
        self.ping(cfg, configuration("two", "ca"))

    def test_what_cannot_work(self):
        for cfg in (configuration("two", "ca", "two.enc.key", "wrong"), configuration("none", "ca"),
                    configuration("one", "none"), configuration("one", "ca", "two.key")):
            with self.assertRaises((RuntimeError, ValueError, OSError)) as caught:
                broker.Endpoint(cfg)
            self.assertTrue(str(caught.exception))


if __name__ == "__main__":
    unittest.main()
