# SPDX-License-Identifier: Apache-2.0
"""The type stubs say what is there: the same names, and the same parameters."""

import ast
import importlib
import inspect
import os
import unittest

import broker

FOLDER = os.path.dirname(broker.__file__)

# What every class has, or what type checkers have no use for.
COMMON = {"__init_subclass__", "__subclasshook__", "__class_getitem__", "__repr__", "__str__", "__reduce__", "__reduce_ex__", "__copy__",
          "__deepcopy__", "__getstate__", "__setstate__", "__weakref__", "__dict__", "__slots__", "__slotnames__", "__module__", "__doc__", "__qualname__",
          "__static_attributes__", "__firstlineno__", "__abstractmethods__", "__match_args__", "__getnewargs__", "__annotations__",
          "__parameters__", "__orig_bases__", "__init__", "__new__", "__class__", "__dir__", "__format__", "__getattribute__",
          "__setattr__", "__delattr__", "__sizeof__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__",
          "__broker_data__", "__abs__", "__radd__", "__rsub__", "__rmul__", "__rtruediv__", "__rmod__", "__reversed__", "__replace__", "__del__"}


def parsed(module):
    """The statements of a stub."""
    with open(os.path.join(FOLDER, module + ".pyi"), encoding="utf-8") as f:
        return ast.parse(f.read()).body


class Stub:
    """The classes and functions of a stub, by name."""

    def __init__(self, module):
        self.classes, self.functions, self.names = {}, {}, set()
        for node in parsed(module):
            if isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self.functions.setdefault(node.name, []).append(node)
            self.names |= named(node)

    def members(self, name):
        """What a class and its bases in the stub define: lists of definitions by name; other members have empty lists."""
        found = {}
        node = self.classes.get(name)
        for base in node.bases if node else []:
            while isinstance(base, ast.Subscript):
                base = base.value
            if isinstance(base, ast.Name):
                found.update(self.members(base.id))
            elif isinstance(base, ast.Attribute) and base.value.id == "zeek":
                found.update(Stub(base.value.id).members(base.attr))
        own = {}
        for inner in node.body if node else []:
            if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef)):
                own.setdefault(inner.name, []).append(inner)
            else:
                own.update((n, []) for n in named(inner))
        found.update(own)
        return found


def named(node):
    """The names that a statement brings in."""
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return {node.name}
    if isinstance(node, ast.AnnAssign):
        return {node.target.id}
    if isinstance(node, ast.Assign):
        return {t.id for t in node.targets}
    if isinstance(node, ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    return set()


def described(node):
    """The parameters of a definition, as comparable text."""
    a = node.args
    positional = a.posonlyargs + a.args
    first_default = len(positional) - len(a.defaults)
    out = [("%s=" if i >= first_default else "%s") % p.arg for i, p in enumerate(positional)]
    if a.vararg:
        out.append("*" + a.vararg.arg)
    elif a.kwonlyargs:
        out.append("*")
    out += [("%s=" if d is not None else "%s") % p.arg for p, d in zip(a.kwonlyargs, a.kw_defaults)]
    if a.kwarg:
        out.append("**" + a.kwarg.arg)
    return out


def actual(function):
    """The same of what is there; None if it doesn't tell."""
    try:
        parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):
        return None
    out = []
    for p in parameters:
        if p.kind is p.VAR_POSITIONAL:
            out.append("*" + p.name)
        elif p.kind is p.VAR_KEYWORD:
            out.append("**" + p.name)
        else:
            if p.kind is p.KEYWORD_ONLY and not any(x.startswith("*") for x in out):
                out.append("*")
            out.append(p.name + ("" if p.default is p.empty else "="))
    return None if out == ["self", "*args", "**kwargs"] else out


class Stubs(unittest.TestCase):
    def module(self, name):
        stub = Stub(name)
        runtime = broker if name == "__init__" else importlib.import_module("broker." + name)
        with self.subTest("exported names"):
            self.assertEqual(set(runtime.__all__) - stub.names, set())
        for n in sorted(stub.names - {"_T", "_S", "_Self"}):
            if n.startswith("_") and not n.startswith("__"):
                continue
            if n in stub.classes or n in stub.functions:
                with self.subTest(n):
                    self.assertTrue(hasattr(runtime, n), "the stub has it, the module doesn't")
        for n, overloads in stub.functions.items():
            self.same("%s.%s" % (name, n), overloads, getattr(runtime, n))
        for n in stub.classes:
            if not n.startswith("_"):
                self.same_class(stub, n, getattr(runtime, n))

    def same_class(self, stub, name, cls):
        members = stub.members(name)
        there = {n for k in cls.__mro__ for n in vars(k) if k.__module__.startswith("broker") or k is cls}
        there = {n for n in there if not n.startswith("_") or n.startswith("__")} - COMMON
        with self.subTest(name + ": members"):
            inherited = {n for k in cls.__mro__ if not k.__module__.startswith("broker") for n in vars(k)}
            self.assertEqual(there - set(members) - inherited, set(), "not in the stub")
            slots = {n for n in members if not n.startswith("__")}
            missing = {n for n in slots if not hasattr(cls, n)} - instance_members(cls)
            self.assertEqual(missing, set(), "only in the stub")
        for n, overloads in members.items():
            if overloads and n not in ("__new__",) and hasattr(cls, n) and not is_property(overloads):
                self.same("%s.%s" % (name, n), overloads, getattr(cls, n))

    def same(self, name, overloads, function):
        last = name.split(".")[-1]
        if len(overloads) != 1 or last.startswith("__") and last != "__init__":
            return
        stubbed, found = described(overloads[0]), actual(function)
        if found is None:
            return
        decorators = {d.id for d in overloads[0].decorator_list if isinstance(d, ast.Name)}
        if "classmethod" in decorators:
            stubbed = stubbed[1:]
        with self.subTest(name):
            self.assertEqual(stubbed, found)

    def test_package(self):
        self.module("__init__")

    def test_zeek(self):
        self.module("zeek")

    def test_bro(self):
        self.module("bro")

    def test_extension(self):
        self.module("_broker")

    def test_marked_as_typed(self):
        self.assertTrue(os.path.exists(os.path.join(FOLDER, "py.typed")))


def is_property(overloads):
    return any(isinstance(d, ast.Name) and d.id == "property" for d in overloads[0].decorator_list)


def instance_members(cls):
    """Members that only instances have."""
    try:
        return set(vars(cls()) if cls.__module__ == "broker" else ())
    except (TypeError, IndexError, ValueError):
        return set()


class Documentation(unittest.TestCase):
    def test_everything_has_a_docstring(self):
        for module in (broker, broker.zeek, importlib.import_module("broker.bro"), broker._broker):
            self.assertTrue(module.__doc__)
            for name in module.__all__:
                thing = getattr(module, name)
                if callable(thing):
                    with self.subTest(name):
                        self.documented(thing)

    def documented(self, thing):
        self.assertTrue((thing.__doc__ or "").strip(), "no docstring")
        if not isinstance(thing, type) or thing in (list, dict):
            return
        for name, member in vars(thing).items():
            if not name.startswith("_") and callable(member):
                self.assertTrue((member.__doc__ or "").strip(), "%s.%s: no docstring" % (thing.__name__, name))


if __name__ == "__main__":
    unittest.main()
