"""Guards: every public name of srlab has an example in its docstring that gives what it says."""

import doctest
import inspect
from functools import partial

import torch

import srlab


def test_the_example_of_every_public_name_gives_what_it_says():
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(verbose=False)
    told, without = [], []
    for name in srlab._NAMES:
        shown = inspect.unwrap(getattr(srlab, name))
        given = {"srlab": srlab, "torch": torch, "partial": partial}
        examples = [e for e in finder.find(shown, name, globs=given) if e.examples]
        without += [] if examples else [name]
        for example in examples:
            torch.manual_seed(0)
            runner.run(example, out=told.append)
    assert without == []
    assert "".join(told) == ""
    assert runner.tries > 30
