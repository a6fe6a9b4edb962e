"""Every public name says what it takes, what it gives back, and shows it in an example that runs."""

import inspect
import re
from enum import Enum
from importlib import import_module

import pytest

import sparsesolve


def public_names():
    """Every public class and function, by the shortest name under which a user finds it."""
    found = {}
    homes = [("sparsesolve", sparsesolve)]
    homes += [(f"sparsesolve.{room}", import_module(f"sparsesolve.{room}")) for room in sparsesolve._ROOMS]
    for home, module in homes:
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            ours = getattr(value, "__module__", "").startswith(("sparsesolve.exceptions", home))
            if ours and (inspect.isclass(value) or inspect.isfunction(value)) and value not in found.values():
                found[f"{home}.{name}"] = value
    return found


NAMES = public_names()
# What scikit-learn, or the base class of the package's own family, documents once for all.
INHERITED = {"self", "args", "kwargs"}


def sections(documentation: str) -> dict[str, str]:
    """The parts of a numpydoc docstring, by title; the text before them is ""."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(documentation or ""), flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def described(section: str) -> set[str]:
    """Names that a section of a docstring describes."""
    lines = re.findall(r"^(\*{0,2}\w[\w, *]*?)(?: :.*)?$", section, flags=re.MULTILINE)
    return {name.strip(" *") for line in lines for name in line.split(",")}


def documentation(value) -> dict[str, str]:
    """The sections of a docstring; those of a class are joined by those of its __init__, and of its base classes."""
    parts = sections(value.__doc__)
    if inspect.isclass(value):
        for base in value.__mro__[1:]:
            if base.__module__.startswith("sparsesolve"):
                for title, text in sections(base.__doc__).items():
                    parts[title] = parts.get(title, "") + text
    return parts


def parameters(value) -> list[str]:
    """Names of the parameters that a caller gives."""
    names = inspect.signature(value).parameters
    return [name for name in names if name not in INHERITED and not name.startswith("_")]


def is_plain_class(value) -> bool:
    """Whether users make objects of it themselves, by __init__."""
    return inspect.isclass(value) and not issubclass(value, (Exception, Warning, Enum))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_explained_with_every_parameter_and_an_example(name):
    value = NAMES[name]
    parts = documentation(value)
    assert len(parts[""].strip()) > 20, "it says nothing about itself"
    if inspect.isfunction(value) or is_plain_class(value):
        fields = described(parts.get("Parameters", "")) | described(parts.get("Attributes", ""))
        missing = [parameter for parameter in parameters(value) if parameter not in fields]
        assert not missing, f"parameters that are not described: {missing}"
    if inspect.isfunction(value) and not re.search(
        r"\bNone\b", str(inspect.signature(value).return_annotation)
    ):
        assert {"Returns", "Yields"} & set(parts), "it does not say what it returns"


@pytest.mark.parametrize("name", [name for name in NAMES if name.count(".") == 1])
def test_the_front_door_shows_an_example(name):
    value = NAMES[name]
    assert ">>>" in (value.__doc__ or ""), "no example"


@pytest.mark.parametrize("name", [name for name, value in NAMES.items() if inspect.isclass(value)])
def test_every_public_method_says_what_it_does(name):
    silent = [
        attribute
        for attribute, value in vars(NAMES[name]).items()
        if not attribute.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod)))
        and not inspect.getdoc(getattr(NAMES[name], attribute))
    ]
    assert not silent
