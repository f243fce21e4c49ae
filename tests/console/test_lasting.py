"""Guards: a reader that leaves ends no work; what is said then is dropped."""

import os
import sys

from srlab.console.lasting import outlasting_readers


def test_what_is_printed_after_the_reader_has_gone_is_dropped(monkeypatch):
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with outlasting_readers():
            print("read", flush=True)
            assert os.read(reader, 10) == b"read\n"
            os.close(reader)
            for _ in range(3):
                print("x" * 100_000, flush=True)
        assert sys.stdout is stream
