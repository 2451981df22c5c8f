import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipelines.errors import InputError
from pipelines.sources.download import cache_folder, download


class Server:
    """A folder served over HTTP, and the names that were asked for."""

    def __init__(self, folder):
        asked = self.asked = []

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append(self.path.lstrip("/"))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def served(make, tmp_path):
    server = Server(make.archived(make.official_files(), tmp_path / "served"))
    yield server
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture
def checksums(make, tmp_path):
    folder = make.archived(make.official_files(), tmp_path / "served")
    return {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}  # noqa: S324


def test_complete_files_are_kept_and_only_the_rest_is_fetched(checksums, served, tmp_path):
    store = tmp_path / "store"
    download(store, base_url=served.url, md5=checksums)
    assert sorted(served.asked) == sorted(checksums)
    served.asked.clear()
    damaged = next(iter(checksums))
    (store / damaged).write_bytes(b"half")
    download(store, base_url=served.url, md5=checksums)
    assert served.asked == [damaged]
    assert {p.name: hashlib.md5(p.read_bytes()).hexdigest() for p in store.iterdir()} == checksums  # noqa: S324


def test_a_file_with_another_checksum_is_refused_and_not_kept(checksums, served, tmp_path):
    wrong = dict.fromkeys(checksums, "0" * 32)
    with pytest.raises(InputError, match=r"cannot be downloaded .*--data FOLDER"):
        download(tmp_path / "store", base_url=served.url, md5=wrong)
    assert not [path for path in (tmp_path / "store").iterdir() if path.suffix == ".zip"]


def test_a_file_that_the_server_lacks(checksums, served, tmp_path):
    with pytest.raises(InputError, match=r"missing\.zip: cannot be downloaded \(HTTPError: 404"):
        download(tmp_path / "store", base_url=served.url, md5={"missing.zip": "0" * 32})


def test_an_unreachable_server_is_named_with_the_remedy(checksums, tmp_path):
    with pytest.raises(
        InputError, match=r"http://127\.0\.0\.1:9/GTSRB.*ConnectionError.*put the archives .* in a folder"
    ):
        download(tmp_path / "store", base_url="http://127.0.0.1:9/", md5=checksums)


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("SIGN_TO_NOISE_CACHE", str(tmp_path / "elsewhere"))
    assert cache_folder() == tmp_path / "elsewhere"
