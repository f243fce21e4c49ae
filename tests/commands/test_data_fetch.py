"""Guards: public image sets are fetched, whatever the server does, and overwrite nothing."""

import hashlib
import json
import re
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from common import command_line, wait_for
from forks import forked
from PIL import Image

from srlab.commands.data import download as downloading
from srlab.commands.data import fetch as fetching
from srlab.commands.data.download import Stopped, download
from srlab.data import manifest
from srlab.data.drawn import SIDE, draw_shapes
from srlab.data.named import SETS
from srlab.errors import UserError

CONTENT = bytes(range(256)) * 1200  # several pieces


class Server(ThreadingHTTPServer):
    """Serves CONTENT under any name; ``faults`` are what it does to the next requests for it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults = {}
        self.asked = []  # (path, Range or None)
        self.url = f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ask = self.headers.get("Range")
        self.server.asked.append((self.path, ask))
        faults = self.server.faults.get(self.path.rsplit("/", 1)[-1], [])
        begin = int(ask.removeprefix("bytes=").rstrip("-")) if ask else 0
        (faults.pop(0) if faults else whole)(self, CONTENT, begin)

    def log_message(self, *_):
        pass


def head(handler, status, length, begin=0):
    handler.send_response(status)
    handler.send_header("Content-Length", str(length))
    if status == 206:
        end = len(CONTENT) - 1
        handler.send_header("Content-Range", f"bytes {begin}-{end}/{len(CONTENT)}")
    handler.end_headers()


def whole(handler, content, begin):
    head(handler, 206 if begin else 200, len(content) - begin, begin)
    handler.wfile.write(content[begin:])


def cuts_off(handler, content, begin):
    head(handler, 206 if begin else 200, len(content) - begin, begin)
    handler.wfile.write(content[begin : begin + 100_000])


def stalls(handler, content, begin):
    cuts_off(handler, content, begin)
    handler.wfile.flush()
    time.sleep(1)


def says_more(handler, content, begin):
    head(handler, 206 if begin else 200, len(content) - begin + 1000, begin)
    handler.wfile.write(content[begin:])


def says_less(handler, content, begin):
    head(handler, 206 if begin else 200, 1000, begin)
    handler.wfile.write(content[begin:])


def sends_more(handler, content, begin):
    whole(handler, content + bytes(1000), begin)


def always_whole(handler, content, begin):
    whole(handler, content, 0)


def busy(handler, content, begin):
    head(handler, 503, 0)


def wrong(handler, content, begin):
    whole(handler, bytes(len(content)), begin)


def absent(handler, content, begin):
    head(handler, 404, 0)


def forgets_the_range(handler, content, begin):
    head(handler, 416, 0)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT", 0.3)
    monkeypatch.setattr(downloading, "PAUSE", 0.01)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def srlab(server, tmp_path, monkeypatch, capsys):
    """The command line, knowing one set, Set5, of five files that are alike."""
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    files = [{"name": f"{n}.png", "bytes": len(CONTENT), "sha256": sha256} for n in range(5)]
    described = {"name": "Set5", "role": "test", "about": "five", "base_url": server.url + "a/"}
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "set5.json").write_text(json.dumps(described | {"files": files}))
    monkeypatch.setattr(manifest, "_folder", lambda: tmp_path / "manifests")
    monkeypatch.delenv("SRLAB_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    run = command_line(monkeypatch, capsys)
    return lambda *arguments: run("data", *arguments)


def fetch(server, path, received=lambda more: None, stop=None):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    name = server.url + path.name
    download(name, path, len(CONTENT), sha256, received, stop or threading.Event())


# What is published


def test_a_manifest_lists_the_files_of_a_known_set():
    for listed in manifest.read_manifests().values():
        assert len(set(listed.names)) == len(listed.names) == SETS[listed.name][0]
        if listed.drawn:
            assert not listed.files
            continue
        assert listed.base_url.startswith("https://")
        assert listed.base_url.endswith("/")
        for file in listed.files:
            assert re.fullmatch(r"[\w-]+\.(png|bmp|jpg)", file.name)
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.bytes > 0


def test_the_sets_of_the_tables_are_published_but_the_one_that_wants_to_be_asked_for():
    published = {listed.name for listed in manifest.read_manifests().values()}
    assert SETS.keys() - published == {"Manga109"}


# One file


@pytest.mark.parametrize(
    "faults",
    [
        [cuts_off, cuts_off], [stalls], [says_more], [says_less], [sends_more], [busy, busy],
        [cuts_off, always_whole], [wrong], [cuts_off, forgets_the_range], [cuts_off, busy, stalls],
        [cuts_off, wrong],
    ],
    ids=lambda faults: "+".join(fault.__name__ for fault in faults),
)  # fmt: skip
def test_a_file_arrives_whatever_the_server_does(server, tmp_path, faults):
    server.faults["x.png"] = [*faults]
    told = []
    fetch(server, tmp_path / "x.png", told.append)
    assert (tmp_path / "x.png").read_bytes() == CONTENT
    assert sum(told) == len(CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    assert not server.faults["x.png"]


def test_a_download_goes_on_from_where_it_was_cut_off(server, tmp_path):
    server.faults["x.png"] = [cuts_off, cuts_off]
    fetch(server, tmp_path / "x.png")
    assert [ask for _, ask in server.asked] == [None, "bytes=100000-", "bytes=200000-"]


def test_a_download_that_was_stopped_goes_on_in_another_run(server, tmp_path):
    stop = threading.Event()
    with pytest.raises(Stopped):
        fetch(server, tmp_path / "x.png", lambda more: stop.set() if more else None, stop)
    held = (tmp_path / ".x.png.part").stat().st_size
    assert 0 < held < len(CONTENT)
    assert not (tmp_path / "x.png").exists()
    fetch(server, tmp_path / "x.png")
    assert server.asked[-1] == ("/x.png", f"bytes={held}-")
    assert (tmp_path / "x.png").read_bytes() == CONTENT


def test_what_an_earlier_run_left_and_is_wrong_is_fetched_anew(server, tmp_path):
    for length in (1000, len(CONTENT), 2 * len(CONTENT)):
        (tmp_path / ".x.png.part").write_bytes(bytes(length))
        fetch(server, tmp_path / "x.png")
        assert (tmp_path / "x.png").read_bytes() == CONTENT, length
        (tmp_path / "x.png").unlink()


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([wrong, wrong], "is not what was published"),
        ([absent], "the answer is 404"),
        ([busy] * 4, "the answer is 503"),
        ([stalls] * 4, "nothing arrived for 0.3 seconds"),
    ],
)
def test_a_file_that_cannot_be_had_is_told_and_nothing_takes_its_place(
    server, tmp_path, faults, words
):
    (tmp_path / ".x.png.part").write_bytes(CONTENT[:-50])  # so that a stall brings nothing
    if stalls in faults:
        faults = [lambda handler, content, begin: time.sleep(1)] * 4
    server.faults["x.png"] = [*faults]
    with pytest.raises(UserError, match=words):
        fetch(server, tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_a_server_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(downloading, "PAUSE", 0.01)
    with pytest.raises(UserError, match=r"127\.0\.0\.1 cannot be reached \(Connection refused\)"):
        download("http://127.0.0.1:9/x", tmp_path / "x", 5, "", print, threading.Event())


def test_two_processes_do_not_write_the_same_file(server, tmp_path):
    pytest.importorskip("fcntl")
    with (
        downloading._opened(tmp_path / ".x.png.part"),
        pytest.raises(UserError, match="another process is fetching"),
    ):
        fetch(server, tmp_path / "x.png")


# The command line


def test_sets_are_listed_fetched_and_checked(srlab, server, tmp_path):
    assert re.search(r"set5 +test +5 +1\.5 +no +unknown +five", srlab("list")[1].out)
    server.faults["3.png"] = [cuts_off]
    status, told = srlab("fetch", "Set5", "jobs=2")
    assert status == 0, told.err
    assert "5 files, 5 of them new" in told.out
    held = sorted(path.name for path in (tmp_path / "data" / "Set5").iterdir())
    assert held == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    assert "5 as published" in srlab("check")[1].out
    assert re.search(r"set5 .* yes", srlab("list")[1].out)
    asked = len(server.asked)
    assert "5 files, 0 of them new" in srlab("fetch", "set5")[1].out
    assert len(server.asked) == asked


def test_what_is_missing_is_fetched_to_where_the_rest_lies(srlab, server, tmp_path):
    folder = tmp_path / "elsewhere" / "set5" / "HR"
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(CONTENT)
    status, told = srlab("fetch", "set5", "root=elsewhere", f"mirror={server.url}copy/")
    assert status == 0, told.err
    assert len(list(folder.iterdir())) == 5
    assert sorted(path for path, _ in server.asked) == [f"/copy/Set5/{n}.png" for n in (0, 2, 3, 4)]


def test_one_file_that_cannot_be_had_ends_it_and_the_rest_is_kept(srlab, server, tmp_path):
    server.faults["2.png"] = [absent]
    status, told = srlab("fetch", "set5", "jobs=1")
    assert status == 2
    assert "2.png: the answer is 404" in told.err
    assert {"0.png", "1.png"} <= {path.name for path in (tmp_path / "data" / "Set5").iterdir()}
    assert srlab("fetch", "set5")[0] == 0


def trickles(handler, content, begin):
    head(handler, 200, 786_486)
    handler.wfile.write(bytes(1000))
    handler.wfile.flush()
    time.sleep(2)


def test_an_interrupted_fetch_ends_at_once_and_keeps_what_has_arrived(server, tmp_path):
    names = ["baby", "bird", "butterfly", "head", "woman"]
    server.faults |= {
        f"{name}_GT.bmp": [trickles] * 9 for name in names
    }  # a busy machine asks again
    fetching = ["data", "fetch", "set5", "root=sets", f"mirror={server.url}"]
    process = forked(tmp_path, *fetching)
    part = tmp_path / "sets" / "Set5" / ".baby_GT.bmp.part"
    wait_for(lambda: part.exists() and part.stat().st_size == 1000, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; the same command goes on with what has arrived" in told
    assert "Traceback" not in told
    assert part.stat().st_size == 1000


@pytest.mark.parametrize("name", ["2.png", "mine.jpg"])
def test_a_file_of_the_users_is_never_overwritten_nor_mixed_in(srlab, server, tmp_path, name):
    (tmp_path / "data" / "Set5").mkdir(parents=True)
    (tmp_path / "data" / "Set5" / name).write_bytes(b"mine")
    status, told = srlab("fetch", "set5")
    assert status == 2
    assert f"{name} is not of Set5: move it away" in told.err
    assert (tmp_path / "data" / "Set5" / name).read_bytes() == b"mine"
    assert not server.asked


def test_check_names_what_is_missing_altered_or_foreign(srlab, tmp_path):
    assert srlab("fetch", "set5")[0] == 0
    folder = tmp_path / "data" / "Set5"
    (folder / "0.png").unlink()
    (folder / "1.png").write_bytes(bytes(len(CONTENT)))
    (folder / "more.bmp").write_bytes(b"")
    status, told = srlab("check")
    assert status == 2
    assert "0.png is missing; 1.png is another and 1 more" in told.out
    assert "1 of 1 sets has faults; a file that is missing" in told.err


# Of picture 0: the means of its quarters, RGB.
QUARTERS = [
    [[136.5, 155.4, 148.8], [102.7, 121.4, 114.9]],
    [[87.5, 119.9, 108.7], [109.0, 127.1, 120.8]],
]


@pytest.fixture
def drawing(srlab, tmp_path):
    """The command line, which knows a set of two drawn pictures, too."""
    described = {"name": "Drawn120", "role": "train", "about": "two", "terms": "free"}
    content = described | {"base_url": "", "files": [], "drawn": 2}
    (tmp_path / "manifests" / "drawn120.json").write_text(json.dumps(content))
    return srlab


def test_drawn_pictures_are_those_that_the_models_have_seen(drawing, tmp_path):
    status, told = drawing("fetch", "drawn120")
    assert status == 0, told.err
    assert re.search(r"Drawn120 +2 files, 2 of them new +drawn", told.out)
    first, second = (
        np.asarray(Image.open(path)) for path in sorted((tmp_path / "data" / "Drawn120").iterdir())
    )
    assert first.shape == second.shape == (SIDE, SIDE, 3)
    quarters = first.reshape(2, SIDE // 2, 2, SIDE // 2, 3).mean(axis=(1, 3))
    assert np.abs(quarters - QUARTERS).max() < 1
    assert (first != second).any(axis=2).mean() > 0.9
    # Shapes, not noise: most pixels are as the next one, and yet there are many edges.
    assert 0.005 < (first[:, 1:] != first[:, :-1]).any(axis=2).mean() < 0.1
    assert "2 as drawn" in drawing("check")[1].out
    assert re.search(r"drawn120 +train +2 +drawn +yes +free", drawing("list")[1].out)


def test_drawing_that_was_interrupted_goes_on(drawing, tmp_path, monkeypatch):
    def interrupted(number):
        if number == 1:
            raise KeyboardInterrupt
        return draw_shapes(number)

    with monkeypatch.context() as patched:
        patched.setattr(fetching, "draw_shapes", interrupted)
        assert drawing("fetch", "drawn120")[0] == 130
    folder = tmp_path / "data" / "Drawn120"
    assert [path.name for path in folder.iterdir()] == ["000.png"]
    assert "2 files, 1 of them new" in drawing("fetch", "drawn120")[1].out


def test_a_drawn_picture_that_is_missing_is_drawn_and_another_is_left_alone(drawing, tmp_path):
    folder = tmp_path / "data" / "Drawn120"
    assert drawing("fetch", "drawn120")[0] == 0
    (folder / "001.png").unlink()
    assert "2 files, 1 of them new" in drawing("fetch", "drawn120")[1].out
    whole = (folder / "000.png").read_bytes()
    for other in (b"mine", whole, (folder / "001.png").read_bytes()[:20_000]):
        (folder / "001.png").write_bytes(other)
        status, told = drawing("fetch", "drawn120")
        assert status == 2
        assert "001.png is not of Drawn120: move it away" in told.err
        assert (folder / "001.png").read_bytes() == other
        assert "001.png is another" in drawing("check")[1].out


def test_what_is_drawn_takes_no_mirror_and_wants_no_server(drawing, tmp_path):
    status, told = drawing("fetch", "drawn120", "mirror=http://127.0.0.1:9")
    assert status == 2
    assert "mirror is for sets that are downloaded, and drawn120 is drawn" in told.err
    status, told = drawing("fetch", "set5", "drawn120", "mirror=http://127.0.0.1:9")
    assert status == 2
    assert len(list((tmp_path / "data" / "Drawn120").iterdir())) == 2


MISTAKES = [
    (["fetch", "sett5"], "did you mean 'set5'?"),
    (["fetch"], "wants names of sets: set5"),
    (["fetch", "set5", "jobs=0"], "jobs must be a whole number from 1 to 32, got '0'"),
    (["fetch", "set5", "job=3"], "has no key 'job'; it has root, mirror, jobs"),
    (["fetch", "set5", "root=taken"], "cannot make the folder taken/Set5: Not a directory"),
    (["get", "set5"], "srlab data wants list, fetch, check or show, got 'get'"),
    (["check"], "there is no public set under data: srlab data fetch set5, say"),
    (["check", "set5"], "Set5 is not under data: srlab data fetch set5"),
    (["list", "set5"], "srlab data list takes no names"),
]


def test_a_mistake_is_told_in_a_sentence(srlab, tmp_path):
    (tmp_path / "taken").touch()
    offenders = []
    for arguments, words in MISTAKES:
        status, told = srlab(*arguments)
        if status != 2 or words not in told.err or "Traceback" in told.err:
            offenders.append((arguments, status, told.err))
    assert not offenders


def test_a_set_that_is_not_there_is_told_with_the_command_that_fetches_it(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SRLAB_DATA", raising=False)
    run = command_line(monkeypatch, capsys)
    status, told = run("evaluate", "model=bicubic", "scale=3", "testset=set14")
    assert status == 2
    assert "srlab data fetch set14 fetches it" in told.err
