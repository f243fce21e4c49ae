"""Processes that tests fork from one that has imported and composed before: see ``warm.py``."""

import atexit
import importlib
import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
from multiprocessing import forkserver
from pathlib import Path

import pytest
import torch
from common import compose_once

from srlab.cli import main


def forked(folder, *arguments, first=""):
    """Start srlab in a folder as a process that another one forks, which has imported all before.

    So it costs a fraction of what ``start`` does; what is returned is used in the same way.

    ``first``: what is done there before, as a text of Python.
    """
    return Fork(folder, arguments, first)


def fork_server():
    """Return what forks processes from one that has done what ``warm.py`` does."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        forkserver.ensure_running()
    return context


class Fork:
    """A process of srlab that was forked."""

    def __init__(self, folder, arguments, first):
        context = fork_server()
        self._texts = Path(tempfile.mkdtemp())
        self._line, theirs = context.Pipe(duplex=False)  # open as long as it or a child of it lives
        environment = dict(os.environ) | {"SRLAB_CACHE": str(folder / "cache")}
        given = folder, ["srlab", *arguments], first, environment, self._texts, theirs
        self._process = context.Process(target=_run_in_fork, args=given)
        atexit.register(self.kill)  # or the end would wait for one that a failed test has left
        self._process.start()
        theirs.close()
        self.pid = self._process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self.returncode

    def said(self):
        """Return what it has said so far on standard output and as errors."""
        texts = (self._texts / name for name in ("out", "err"))
        return tuple(text.read_text() if text.exists() else "" for text in texts)

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self._process.kill()

    def communicate(self, timeout=120):
        """Wait for its end, and for that of the processes that it forked; return what it said."""
        assert self._line.poll(timeout), f"it does not end within {timeout} s: {self.said()}"
        self._process.join()
        atexit.unregister(self.kill)
        said = self.said()
        shutil.rmtree(self._texts)
        return said


def _run_in_fork(folder, command, first, environment, texts, _line):
    _begin(folder, environment, texts / "out", texts / "err")
    exec(first, {})
    sys.argv = command
    compose_once(pytest.MonkeyPatch(), command)
    main()


def _begin(folder, environment, *texts):
    """Give a forked process its folder, its environment and the files of what it says."""
    for number, text in enumerate(texts, start=1):
        os.dup2(os.open(text, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    multiprocessing.set_start_method(None, force=True)  # back to the one of this system
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it


# For ``forked``: a process that trains by several workers forks them.
FORKS_WORKERS = """
import subprocess
from types import SimpleNamespace
from forks import ForkedWorker
from srlab.commands.train import workers
workers.subprocess = SimpleNamespace(Popen=ForkedWorker, PIPE=subprocess.PIPE)
"""


class ForkedWorker:
    """A worker of a training that was forked, where ``subprocess.Popen`` would start one."""

    def __init__(self, command, env, **_):
        reading, writing = os.pipe()
        self.pid, self._status = os.fork(), None
        if self.pid == 0:
            _work(command, env, reading, writing)
        os.close(reading)
        self.stdin = os.fdopen(writing, "wb")

    def wait(self):
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._status

    def terminate(self):
        self._send(signal.SIGTERM)

    def kill(self):
        self._send(signal.SIGKILL)

    def _send(self, number):
        if self._status is None:
            os.kill(self.pid, number)


def _work(command, environment, reading, writing):
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(reading, 0)
        os.close(writing)
        sys.stdin = os.fdopen(0)
        os.environ.clear()
        os.environ.update(environment)
        importlib.import_module("srlab.commands.train.workers").work(int(command[-1]))
    finally:
        os._exit(1)


class ForkedPython:
    """A process of Python that was forked, where ``subprocess.Popen`` would start one."""

    def __init__(self, command, cwd, env, stdout, **_):
        given = command[1:], cwd, env, stdout.name
        self._process = fork_server().Process(target=_run_python, args=given)
        self._process.start()
        self.pid = self._process.pid

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("python", timeout)
        return self._process.exitcode


def _run_python(arguments, folder, environment, text):
    os.setsid()
    _begin(folder, environment, text, text)
    named, *rest = arguments[1:] if arguments[0] == "-m" else arguments
    at = folder if arguments[0] == "-m" else Path(named).parent
    sys.path[:0] = [str(at), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    sys.argv = [str(named), *rest]
    if arguments[0] == "-m":
        runpy.run_module(named, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(str(named), run_name="__main__")
