"""Guards: what a run prints is kept in its folder, with the error that ended it."""

import sys
from pathlib import Path

import pytest

from srlab.console.transcript import transcribed


def test_a_transcript_holds_what_was_printed_before_it_had_a_file_and_what_ended_it(
    tmp_path, capsys
):
    stream, path = sys.stdout, tmp_path / "log.txt"
    path.write_text("an earlier run\n")

    def work():
        with transcribed() as transcript:
            print("begins")
            transcript.keep_in(path)
            print("goes on")
            raise ValueError("the disk is full")

    with pytest.raises(ValueError, match="the disk is full"):
        work()
    assert path.read_text() == "an earlier run\nbegins\ngoes on\nthe disk is full\n"
    assert capsys.readouterr().out == "begins\ngoes on\n"
    assert sys.stdout is stream


def test_a_file_that_cannot_be_written_is_told_once_and_ends_nothing(capsys):
    with transcribed() as transcript:
        transcript.keep_in(Path("/dev/full"))
        print("one")
        print("two")
    out, err = capsys.readouterr()
    assert out == "one\ntwo\n"
    assert err == "srlab: what is printed is not kept: No space left on device\n"
