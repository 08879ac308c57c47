"""Downloads: files are checked and recorded, transfers are resumed, every error is one line."""

import io
import json
import resource
import sys
import time
from pathlib import Path

import huggingface_hub
import pytest
from command_line import run
from hub_server import COMMIT
from huggingface_hub import constants
from model_commands import blob, fetch, leftovers, refused
from model_files import BASE_TAR, ENCODER, LARGE_TAR, MRT1, MRT2, scraps

from soundstage.errors import DownloadError
from soundstage.stages.weights.models_folder import models_folder
from soundstage.stages.weights.published.hub import PATIENCE_S, Hub, Remote
from soundstage.stages.weights.sources import open_source

BASE_TAR_IN_HUB = (MRT1, BASE_TAR.removeprefix(f"{MRT1}/"))
MAPPER = f"{MRT2}/resources/musiccoca/mapper.tflite"


def test_preset_is_fetched_by_one_command_and_opened_by_name(hub):
    done = fetch(hub, "large")
    assert done.code == 0, done.stderr
    assert "ready: soundstage generate --preset large" in done.stdout
    assert done.stdout.count("recorded, and checked from now on") == 10
    assert "the hub states it" in done.stdout
    source = open_source("depthformer-large")
    assert source.names()["token_embedder/embedding"] == (300, 8)
    source.close()
    assert set(open_source("spectrostream").names()) == {
        "encoder/a/kernel", "decoder/a/kernel", "quantizer/embedding",
    }  # fmt: skip
    for path, content in scraps().items():
        if "musiccoca" in path:
            assert (models_folder() / "musiccoca" / Path(path).name).read_bytes() == content


def test_models_folder_links_to_the_hubs_cache(hub):
    assert fetch(hub).code == 0
    path = models_folder() / "depthformer-base.tar"
    assert path.resolve() == blob(hub, BASE_TAR).resolve()
    cached = huggingface_hub.try_to_load_from_cache(
        *BASE_TAR_IN_HUB, cache_dir=constants.HF_HUB_CACHE
    )
    assert Path(cached).read_bytes() == scraps()[BASE_TAR]
    assert leftovers(models_folder().parents[1]) == []


def test_file_cached_by_another_program_is_not_fetched_again(hub):
    huggingface_hub.hf_hub_download(
        *BASE_TAR_IN_HUB, endpoint=hub.url, cache_dir=constants.HF_HUB_CACHE, token=False
    )
    before = len(hub.gets(BASE_TAR))
    assert fetch(hub).code == 0
    assert len(hub.gets(BASE_TAR)) == before


def test_terms_are_shown_once(hub):
    first, second = fetch(hub, "base"), fetch(hub, "large")
    for card in ("huggingface.co/google/magenta-realtime\n", "google/magenta-realtime-2\n"):
        assert card in first.stderr
    assert "CC-BY 4.0" in first.stderr
    assert "CC-BY" not in second.stderr


def test_hashes_are_recorded_once_and_checked_afterwards(hub):
    fetch(hub, "base")
    requests = len(hub.requests)
    again = fetch(hub, "base")
    assert again.code == 0
    assert again.stdout.count("present, as recorded") == 10
    assert len(hub.requests) == requests
    records = json.loads((models_folder() / "records.json").read_text())
    entry = records["files"]["depthformer-base:checkpoints/llm_base_x4286_c1860k.tar"]
    assert entry["sha256"] == hub.etag(BASE_TAR)
    assert entry["bytes"] == len(scraps()[BASE_TAR])
    assert records["commits"]["depthformer-base"] == COMMIT


def test_damaged_file_in_the_cache_is_fetched_again(hub):
    fetch(hub)
    content = bytearray(scraps()[BASE_TAR])
    content[700] ^= 1
    blob(hub, BASE_TAR).write_bytes(content)
    assert run("models", "verify", "depthformer-base").code == 5
    done = fetch(hub)
    assert done.code == 0
    assert "damaged; fetching it again" in done.stdout
    assert "as recorded" in done.stdout
    assert (models_folder() / "depthformer-base.tar").read_bytes() == scraps()[BASE_TAR]
    assert run("models", "verify", "depthformer-base").code == 0


def test_content_that_differs_from_its_record_needs_a_revision(hub):
    fetch(hub)
    (models_folder() / "depthformer-base.tar").unlink()
    hub.files[BASE_TAR] = scraps()[LARGE_TAR]
    line = refused(fetch(hub), 5)
    assert "was recorded" in line
    assert "download depthformer-base --revision main" in line
    assert not (models_folder() / "depthformer-base.tar").exists()
    hub.commit = "f" * 40
    done = fetch(hub, "depthformer-base", "--revision", "main")
    assert done.code == 0, done.stderr
    assert (models_folder() / "depthformer-base.tar").read_bytes() == scraps()[LARGE_TAR]


@pytest.fixture
def impatient(monkeypatch):
    """Makes the library write every 500 bytes, and retry without a pause."""
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_transfer_that_breaks_off_continues_in_the_same_command(hub, impatient):
    size = len(scraps()[BASE_TAR])
    hub.cuts[BASE_TAR] = [1000, 0, 5000]
    done = fetch(hub)
    assert done.code == 0
    assert done.stderr.count("Trying to resume download") == 3
    assert all(line.startswith("google/") for line in done.stderr.splitlines())
    assert hub.gets(BASE_TAR) == [None, "bytes=1000-", "bytes=1000-", "bytes=6000-"]
    assert (models_folder() / "depthformer-base.tar").stat().st_size == size


def test_transfer_given_up_leaves_nothing_and_starts_again(hub, impatient):
    hub.cuts[BASE_TAR] = [4000, *[0] * 5]
    line = refused(fetch(hub), 8)
    assert "the transfer broke off (peer closed connection" in line
    assert "run the same command again" in line
    assert not (models_folder() / "depthformer-base.tar").exists()
    assert leftovers(models_folder().parents[1]) == []
    hub.requests.clear()
    assert fetch(hub).code == 0
    assert hub.gets(BASE_TAR) == [None]


def test_interrupted_transfer_leaves_nothing(hub, impatient):
    def interrupt(done_bytes):
        raise KeyboardInterrupt

    client = Hub(hub.url, print)
    remote = client.look_up(*BASE_TAR_IN_HUB, "main")
    with pytest.raises(KeyboardInterrupt):
        client.fetch(remote, "main", interrupt)
    assert client.cached(*BASE_TAR_IN_HUB, COMMIT) is None
    assert not blob(hub, BASE_TAR).exists()
    assert leftovers(models_folder().parents[1]) == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_transfer_reports_its_bytes_and_draws_no_bar(hub, impatient, monkeypatch):
    terminal, moved = Terminal(), []
    monkeypatch.setattr(sys, "stderr", terminal)
    client = Hub(hub.url, print)
    remote = client.look_up(*BASE_TAR_IN_HUB, "main")
    path = client.fetch(remote, "main", moved.append)
    assert moved == [*range(500, remote.bytes, 500), remote.bytes]
    assert path.read_bytes() == scraps()[BASE_TAR]
    assert terminal.getvalue() == ""


def test_full_disk_is_one_line(hub):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        line = refused(fetch(hub), 6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{constants.HF_HUB_CACHE}: cannot be written: File too large" in line
    assert leftovers(models_folder().parents[1]) == []
    assert fetch(hub).code == 0


def test_transfer_from_a_hub_without_ranges_starts_again(hub):
    hub.ranges = False
    hub.cuts[BASE_TAR] = [1000]
    assert fetch(hub).code == 0
    assert (models_folder() / "depthformer-base.tar").read_bytes() == scraps()[BASE_TAR]


def test_file_without_the_hash_that_the_hub_states_is_refused(hub):
    hub.states[BASE_TAR] = {"etag": "0" * 64}
    line = refused(fetch(hub), 5)
    assert "the hub states 000000000000" in line
    assert leftovers(models_folder().parents[1]) == []
    hub.states.clear()
    assert fetch(hub).code == 0


@pytest.mark.parametrize("etag", ["../../../escape", "..", "a/b", ""])
def test_etag_that_is_a_path_is_refused(hub, etag, tmp_path):
    hub.states[BASE_TAR] = {"etag": etag}
    assert "does not answer like a hub" in refused(fetch(hub), 8)
    assert not list(tmp_path.rglob("escape*"))


def test_token_is_sent_only_to_the_hub_it_belongs_to(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert fetch(hub).code == 0
    assert hub.tokens == {(False, None), (True, None)}
    # The library reads these from its environment when it is imported.
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    hub.tokens.clear()
    assert run("models", "download", "depthformer-large").code == 0
    assert hub.tokens == {(False, "Bearer hf_secret"), (True, None)}


def test_file_that_the_hub_lacks_is_one_line(hub):
    del hub.files[BASE_TAR]
    line = refused(fetch(hub), 8)
    assert "llm_base_x4286_c1860k.tar: there is no such file (404)" in line
    assert "--source" in line


def test_model_without_its_optional_file_is_complete(hub):
    del hub.files[MAPPER]
    done = fetch(hub, "musiccoca")
    assert done.code == 0
    assert "musiccoca/mapper.tflite: not available, and optional" in done.stdout
    assert run("models", "verify", "musiccoca").code == 0


def test_request_is_repeated_after_a_short_wait(hub):
    hub.refusals[BASE_TAR] = [(429, {"Retry-After": "1"}), (503, {})]
    done = fetch(hub)
    assert done.code == 0
    assert "the hub answers 429; waiting 1.0 s" in done.stderr


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (429, {"Retry-After": str(int(PATIENCE_S) + 600)}, "too many requests (429) and asks"),
        (401, {}, "the hub refuses it (401)"),
        (403, {}, "the hub refuses it (403)"),
        (418, {}, "the hub answers 418"),
    ],
)
def test_refusal_by_the_hub_is_one_line(hub, status, headers, reason):
    hub.refusals[BASE_TAR] = [(status, headers)] * 3
    line = refused(fetch(hub), 8)
    assert reason in line
    assert ("630 s" in line) == (status == 429)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(403, "the hub refuses it (403)"), (404, "no such file (404)"), (503, "answers 503")],
)
def test_refusal_after_the_look_up_is_one_error(hub, impatient, status, reason):
    client = Hub(hub.url, lambda line: None)
    remote = client.look_up(*BASE_TAR_IN_HUB, "main")
    hub.refusals[BASE_TAR] = [(status, {})] * 10
    with pytest.raises(DownloadError) as caught:
        client.fetch(remote, "main", lambda done_bytes: None)
    assert reason in str(caught.value)


def test_hub_that_goes_away_after_the_look_up_is_one_error(home, impatient):
    remote = Remote(*BASE_TAR_IN_HUB, COMMIT, "0" * 64, 1000)
    client = Hub("http://127.0.0.1:9", lambda line: None)
    with pytest.raises(DownloadError, match="the hub cannot be reached"):
        client.fetch(remote, "main", lambda done_bytes: None)


def test_unreachable_hub_is_one_line():
    line = refused(
        run("models", "download", "depthformer-base", "--source", "http://127.0.0.1:9"), 8
    )
    assert "cannot be reached" in line


def test_disk_without_room_is_refused_before_any_transfer(hub):
    hub.states[BASE_TAR] = {"size": str(10**18)}
    line = refused(fetch(hub, "base"), 6)
    assert "more than the disk has left" in line
    assert hub.gets(BASE_TAR) == []
    assert hub.gets(ENCODER) == []


def test_transfer_of_another_size_than_stated_is_refused(hub):
    hub.states[BASE_TAR] = {"size": "1000"}
    assert "should be of size 1000 but has size" in refused(fetch(hub), 8)


def test_offline_download_uses_the_cache_and_sends_no_requests(hub):
    offline = ("models", "download", "depthformer-base", "--offline")
    assert "not in the cache" in refused(run(*offline), 8)
    fetch(hub)
    for path in models_folder().glob("depthformer*"):
        path.unlink()
    requests = len(hub.requests)
    done = run(*offline)
    assert done.code == 0, done.stderr
    assert len(hub.requests) == requests
    assert (models_folder() / "depthformer-base.tar").read_bytes() == scraps()[BASE_TAR]


def test_offline_and_a_mirror_exclude_each_other(hub):
    assert "exclude each other" in refused(fetch(hub, "depthformer-base", "--offline"), 2)


@pytest.mark.parametrize("layout", ["repository", "repositories", "flat"])
def test_folder_is_a_source_in_each_of_its_layouts(hub, tmp_path, layout):
    folder = tmp_path / "stick"
    for name, content in scraps().items():
        _, repository, *path = name.split("/")
        parts = {"repository": path, "repositories": [repository, *path], "flat": path[-1:]}
        file = folder.joinpath(*parts[layout])
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    done = run("models", "download", "depthformer-base", "--source", folder)
    assert done.code == 0, done.stderr
    assert (models_folder() / "depthformer-base.tar").read_bytes() == scraps()[BASE_TAR]
    assert hub.requests == []
    assert run("models", "verify", "depthformer-base").code == 0


def test_download_from_a_folder_leaves_the_hubs_cache_unchanged(hub, tmp_path):
    fetch(hub)
    (models_folder() / "records.json").unlink()
    (tmp_path / "stick").mkdir()
    name = "llm_base_x4286_c1860k.tar"
    (tmp_path / "stick" / name).write_bytes(scraps()[LARGE_TAR])
    done = run("models", "download", "depthformer-base", "--source", tmp_path / "stick")
    assert done.code == 0, done.stderr
    assert (models_folder() / "depthformer-base.tar").read_bytes() == scraps()[LARGE_TAR]
    assert blob(hub, BASE_TAR).read_bytes() == scraps()[BASE_TAR]


def test_folder_without_the_file_is_refused_with_the_paths_tried(hub, tmp_path):
    line = refused(run("models", "download", "depthformer-base", "--source", tmp_path), 8)
    assert str(tmp_path / "checkpoints") in line
    assert "no such folder" in refused(
        run("models", "download", "depthformer-base", "--source", "nowhere"), 2
    )
