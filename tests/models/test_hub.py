"""Pulling models: from a hub on this machine's loopback that does what hubs do, and from folders."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.fakes import pull_stand_in
from tests.support.hub_server import COMMIT, TOKEN, Repository, serve
from voicematch import cli
from voicematch.engines.embed import OnnxEmbedder
from voicematch.engines.features import log_mel_snipped
from voicematch.errors import ModelError
from voicematch.models import files, hub, sessions, table
from voicematch.models.cut import MODEL_GRAPH
from voicematch.models.files import CALIBRATION, RECORD
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.models.wire import BYTES, written

LARGE = "Wespeaker/wespeaker-voxceleb-ecapa-tdnn1024-LM"  # of ecapa1024, whose sum is not known here
LARGE_FILE = "voxceleb_ECAPA1024_LM.onnx"
WEIGHTS = written((MODEL_GRAPH, BYTES, b"weights " * 10_000))
COMMUNITY = "pyannote/speaker-diarization-community-1"
PARTS = {
    "config.yaml": b"pipeline: here\n",
    "segmentation/pytorch_model.bin": b"segmentation",
    "embedding/pytorch_model.bin": b"embedding",
    "plda/plda.npz": b"plda",
    "plda/xvec_transform.npz": b"xvec",
    "README.md": b"not needed",
}


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that models are pulled to; no token and no other server."""
    folder = tmp_path / "models"
    monkeypatch.setenv("VOICEMATCH_MODELS", str(folder))
    for name in ("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
    return folder


def large(*, altered: bool = False, cut: bool = False) -> dict[str, Repository]:
    files, all_of_it = {LARGE_FILE: WEIGHTS, "README.md": b"#"}, {LARGE_FILE}
    repository = Repository(
        files, large=all_of_it, altered=all_of_it if altered else set(), cut=all_of_it if cut else set()
    )
    return {LARGE: repository}


def test_a_pulled_model_is_found_with_a_record_of_its_sums(kept: Path) -> None:
    steps: list[tuple[str, float, float]] = []
    with serve(large()) as site:
        offer = hub.offer("ecapa1024", endpoint=site.url)
        assert (offer.size, offer.licence, offer.revision) == (len(WEIGHTS), "cc-by-4.0", COMMIT)
        assert site.downloads == []  # an offer fetches nothing
        assert not files.is_here("ecapa1024")
        assert hub.pull(offer, progress=lambda *step: steps.append(step)) == kept / "ecapa1024"
    assert files.path("ecapa1024") == kept / "ecapa1024" / LARGE_FILE
    assert files.path("ecapa1024").read_bytes() == WEIGHTS
    assert files.is_here("ecapa1024")
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert files.recorded("ecapa1024") == {LARGE_FILE: (sha256, len(WEIGHTS))}
    assert files.fingerprint("ecapa1024") == sha256
    assert steps[-1] == ("download", len(WEIGHTS), len(WEIGHTS))
    assert sorted(path.name for path in kept.rglob("*")) == ["ecapa1024", RECORD, LARGE_FILE]


def test_what_is_here_and_intact_is_not_fetched_again(kept: Path) -> None:
    with serve(large()) as site:
        hub.pull(hub.offer("ecapa1024", endpoint=site.url))
        asked = len(site.asked)
        again = hub.offer("ecapa1024", endpoint=site.url)
        assert again.files == ()
        assert hub.pull(again) == kept / "ecapa1024"
        assert len(site.asked) == asked


def test_a_revision_that_a_newer_voicematch_wants_is_fetched(kept: Path) -> None:
    source = table.card("ecapa512").source
    assert source is not None
    record = {"origin": "there", "revision": "of before", "licence": "", "files": {"a": {"sha256": "0", "size": 1}}}
    (kept / "ecapa512").mkdir(parents=True)
    (kept / "ecapa512" / RECORD).write_text(json.dumps(record), encoding="utf-8")
    with serve({source.repository: Repository({source.files[0]: WEIGHTS}, commit=str(source.revision))}) as site:
        offer = hub.offer("ecapa512", endpoint=site.url)
    assert (offer.revision, [file.name for file in offer.files]) == (source.revision, list(source.files))


def test_only_the_damaged_file_is_fetched_again_at_the_commit_of_before(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with serve({COMMUNITY: Repository(dict(PARTS), gated=True, large={"plda/plda.npz"})}) as site:
        hub.pull(hub.offer("pyannote-community-1", endpoint=site.url))
        folder = files.path("pyannote-community-1")
        assert folder == kept / "pyannote-community-1"
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        assert names == sorted({*PARTS, RECORD} - {"README.md"})
        (folder / "plda" / "plda.npz").write_bytes(b"rot!")
        with pytest.raises(ModelError, match=r"plda\.npz: damaged or another model"):
            files.path("pyannote-community-1")
        before = len(site.downloads)
        hub.pull(hub.offer("pyannote-community-1", endpoint=site.url))
        assert [path.rpartition("/resolve/")[2] for path in site.downloads[before:]] == [f"{COMMIT}/plda/plda.npz"]
        assert files.path("pyannote-community-1").joinpath("plda/plda.npz").read_bytes() == b"plda"
        (folder / "config.yaml").unlink()
        with pytest.raises(ModelError, match=r"config\.yaml is missing; voicematch models pull pyannote-community-1"):
            files.path("pyannote-community-1")


def test_a_file_that_is_not_the_one_known_is_not_kept(kept: Path) -> None:
    source = table.card("ecapa512").source
    assert source is not None
    assert source.revision is not None
    other = Repository({source.files[0]: WEIGHTS}, commit=source.revision)
    with serve({source.repository: other}) as site:
        offer = hub.offer("ecapa512", endpoint=site.url)
        with pytest.raises(ModelError, match=r"is damaged or another file: its sha256 is .*; nothing was kept"):
            hub.pull(offer)
    assert list(kept.iterdir()) == []


def test_a_file_altered_on_its_way_is_not_kept(kept: Path) -> None:
    with serve(large(altered=True)) as site:
        offer = hub.offer("ecapa1024", endpoint=site.url)
        with pytest.raises(ModelError, match="damaged or another file"):
            hub.pull(offer)
    assert list(kept.iterdir()) == []


def test_half_a_file_is_not_kept(kept: Path) -> None:
    with serve(large(cut=True)) as site:
        offer = hub.offer("ecapa1024", endpoint=site.url)
        with pytest.raises(ModelError, match=LARGE):
            hub.pull(offer)
    assert list(kept.iterdir()) == []


def test_a_download_that_stops_leaves_what_was_there(kept: Path) -> None:
    with serve(large()) as site:
        hub.pull(hub.offer("ecapa1024", endpoint=site.url))
        (kept / "ecapa1024" / LARGE_FILE).write_bytes(b"damaged")
        offer = hub.offer("ecapa1024", endpoint=site.url)

        def stop(step: str, done: float, total: float) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            hub.pull(offer, progress=stop)
    assert [path.name for path in kept.iterdir()] == ["ecapa1024"]
    assert (kept / "ecapa1024" / LARGE_FILE).read_bytes() == b"damaged"


def test_terms_that_were_not_accepted_are_named_with_their_page(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve({COMMUNITY: Repository(dict(PARTS), gated=True)}) as site:
        offer = hub.offer("pyannote-community-1", endpoint=site.url)
        with pytest.raises(ModelError) as without:
            hub.pull(offer)
        monkeypatch.setenv("HF_TOKEN", "hf_of-somebody-else")
        with pytest.raises(ModelError) as with_another:
            hub.pull(offer)
    page = f"open https://huggingface.co/{COMMUNITY}, accept them, "
    run = "run voicematch models pull pyannote-community-1"
    assert f"{page}log in with `hf auth login` or set HF_TOKEN, then {run}" in str(without.value)
    assert page + run in str(with_another.value)
    assert list(kept.iterdir()) == []


def test_a_gated_repository_that_hides_is_taken_for_terms_not_accepted(kept: Path) -> None:
    with serve({}) as site, pytest.raises(ModelError, match=r"its terms have to be accepted: open https://"):
        hub.offer("pyannote-community-1", endpoint=site.url)


def test_a_repository_that_is_not_there(kept: Path) -> None:
    with serve({}) as site, pytest.raises(ModelError, match="there is no such repository, or the token may not see it"):
        hub.offer("ecapa1024", endpoint=site.url)


def test_a_revision_that_is_gone(kept: Path) -> None:
    source = table.card("ecapa512").source
    assert source is not None
    repository = Repository({source.files[0]: WEIGHTS})
    with (
        serve({source.repository: repository}) as site,
        pytest.raises(ModelError, match=r"the revision a2f3dcb1.* is gone"),
    ):
        hub.offer("ecapa512", endpoint=site.url)


def test_a_repository_without_the_file(kept: Path) -> None:
    bare = {LARGE: Repository({"README.md": b"#"})}
    with serve(bare) as site, pytest.raises(ModelError, match=rf"{LARGE} has no {LARGE_FILE}"):
        hub.offer("ecapa1024", endpoint=site.url)


def test_a_name_that_leads_out_of_the_folder_is_refused(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    escaping = dict(PARTS) | {"plda/../../../escaped": b"!"}
    with serve({COMMUNITY: Repository(escaping)}) as site, pytest.raises(ModelError, match="no place below a folder"):
        hub.offer("pyannote-community-1", endpoint=site.url)


def test_a_hub_that_cannot_be_reached(kept: Path) -> None:
    with serve({}) as site:
        gone = site.url
    with pytest.raises(ModelError, match=r"the hub cannot be reached .*; then run voicematch models pull ecapa1024"):
        hub.offer("ecapa1024", endpoint=gone)


def test_offline_nothing_is_asked(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with serve(large()) as site:
        with pytest.raises(ModelError, match=r"HF_HUB_OFFLINE is set.*--from FOLDER"):
            hub.offer("ecapa1024", endpoint=site.url)
        assert site.asked == []


def test_no_room_is_said_before_anything_is_fetched(kept: Path) -> None:
    huge = hub.Offer("ecapa1024", LARGE, COMMIT, "", files=(hub.Offered(LARGE_FILE, 1 << 60, None),))
    with pytest.raises(ModelError, match=r"MB needed, \d+ MB free"):
        hub.pull(huge)


def test_a_folder_does_as_well_as_a_hub(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"has no {LARGE_FILE}"):
        hub.offer("ecapa1024", folder=tmp_path)
    (tmp_path / LARGE_FILE).write_bytes(WEIGHTS)
    hub.pull(hub.offer("ecapa1024", folder=tmp_path))
    assert files.path("ecapa1024").read_bytes() == WEIGHTS
    (tmp_path / "voxceleb_ECAPA512_LM.onnx").write_bytes(WEIGHTS)
    with pytest.raises(ModelError, match="damaged or another file"):
        hub.pull(hub.offer("ecapa512", folder=tmp_path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 59000000\n", "run git lfs pull there"),
        (b"<!doctype html><title>Not found</title>", "is no whole ONNX file"),
        (WEIGHTS[:-1], "is no whole ONNX file"),
        (b"", "is no whole ONNX file"),
    ],
)
def test_what_is_no_model_is_not_kept_though_its_sum_is_not_known(
    kept: Path, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / LARGE_FILE).write_bytes(content)
    with pytest.raises(ModelError, match=f"{LARGE_FILE} .*{reason}; .*nothing was kept"):
        hub.pull(hub.offer("ecapa1024", folder=tmp_path))
    assert list(kept.iterdir()) == []


def test_what_a_killed_pull_left_is_cleared_after_a_day(kept: Path, tmp_path: Path) -> None:
    import os

    (tmp_path / LARGE_FILE).write_bytes(WEIGHTS)
    old, new = kept / ".ecapa1024.a.partial", kept / ".ecapa1024.b.partial"
    for left in (old, new):
        left.mkdir(parents=True)
    os.utime(old, (0, 0))
    hub.pull(hub.offer("ecapa1024", folder=tmp_path))
    assert not old.exists()
    assert new.exists()


def test_removing_frees_the_space_and_spares_what_comes_with_the_package(kept: Path, tmp_path: Path) -> None:
    (tmp_path / LARGE_FILE).write_bytes(WEIGHTS)
    hub.pull(hub.offer("ecapa1024", folder=tmp_path))
    assert hub.remove("ecapa1024") > len(WEIGHTS)
    assert list(kept.iterdir()) == []
    with pytest.raises(ModelError, match="not on this machine"):
        hub.remove("ecapa1024")
    with pytest.raises(ModelError, match="comes with voicematch and cannot be removed"):
        hub.remove(DEFAULT_EMBEDDER)
    with pytest.raises(ModelError, match="comes with voicematch; there is nothing to pull"):
        hub.offer(DEFAULT_EMBEDDER)


def test_a_model_that_is_absent_names_the_command(kept: Path) -> None:
    with pytest.raises(ModelError, match=r"'ecapa512' is not on this machine; voicematch models pull ecapa512 .*25 MB"):
        files.path("ecapa512")


def test_a_damaged_record_names_the_command(kept: Path) -> None:
    (kept / "ecapa512").mkdir(parents=True)
    (kept / "ecapa512" / RECORD).write_text("[]", encoding="utf-8")
    with pytest.raises(ModelError, match=r"pulled\.json is damaged .*models pull ecapa512"):
        files.path("ecapa512")


def test_a_pulled_embedder_hears_the_frames_that_wespeaker_computes(kept: Path, tmp_path: Path) -> None:
    """Compared with the network run by hand on the rows of each window alone, less their mean."""
    pull_stand_in(tmp_path / "weights")
    samples = np.random.default_rng(1).normal(0, 0.1, 16_000 * 4).astype(np.float32)
    windows = np.array([[0, 24_000], [16_000, 64_000], [1_600, 25_600]])
    session = sessions.session(table.DEFAULT_EMBEDDER)
    for (start, end), vector in zip(windows, OnnxEmbedder("ecapa1024").embed(samples, windows), strict=True):
        rows = log_mel_snipped(samples[start:end])
        (expected,) = session.run(None, {session.get_inputs()[0].name: (rows - rows.mean(axis=0))[None]})
        np.testing.assert_allclose(vector, expected[0] / np.linalg.norm(expected[0]), atol=2e-5)


# -- the commands


def keep_calibration(kept: Path) -> None:
    """A calibration of ecapa1024, so that pulling it makes none: these weights hear nothing."""
    kept.mkdir(exist_ok=True)
    (kept / f"ecapa1024{CALIBRATION}").write_text("{}", encoding="utf-8")


def test_pulling_shows_size_and_licence_and_asks(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(large()) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        assert cli.run(["models", "pull", "ecapa1024"]) == cli.EXIT_USAGE  # pytest is nobody to be asked
        assert "--yes downloads it" in capsys.readouterr().err
        assert not kept.exists()
        keep_calibration(kept)
        assert cli.run(["models", "pull", "ecapa1024", "--yes"]) == 0
        said = capsys.readouterr()
        assert said.out == ""
        assert f"ecapa1024: 0.1 MB from {LARGE} at {COMMIT[:12]}, licence cc-by-4.0" in said.err
        assert f"wrote {kept / 'ecapa1024'}" in said.err
        assert cli.run(["models", "pull", "ecapa1024"]) == 0
        assert "nothing to fetch" in capsys.readouterr().err


def test_list_verify_path_and_remove_of_a_pulled_model(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def here() -> dict[str, bool]:
        assert cli.run(["models", "list", "--json"]) == 0
        return {card["name"]: card["here"] for card in json.loads(capsys.readouterr().out)}

    assert (here()["ecapa-small-4"], here()["ecapa1024"]) == (True, False)
    assert cli.run(["models", "path", "ecapa1024"]) == cli.EXIT_ERROR
    assert "voicematch models pull ecapa1024" in capsys.readouterr().err
    keep_calibration(kept)
    (tmp_path / LARGE_FILE).write_bytes(WEIGHTS)
    assert cli.run(["models", "pull", "ecapa1024", "--from", str(tmp_path)]) == 0
    assert here()["ecapa1024"]
    capsys.readouterr()
    assert cli.run(["models", "path", "ecapa1024"]) == 0
    assert capsys.readouterr().out == f"{kept / 'ecapa1024' / LARGE_FILE}\n"
    assert cli.run(["models", "verify"]) == 0
    verified = capsys.readouterr().out
    assert "ecapa1024: intact" in verified
    assert "ecapa512: not pulled" in verified
    (kept / "ecapa1024" / LARGE_FILE).write_bytes(b"rot")
    assert cli.run(["models", "verify"]) == cli.EXIT_ERROR
    assert "damaged" in capsys.readouterr().out
    assert cli.run(["models", "remove", "ecapa1024"]) == 0
    assert not here()["ecapa1024"]


def test_a_model_is_exported_under_any_name_that_a_file_can_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / ("a" * 250 + ".onnx")
    assert cli.run(["models", "export", "segmentation-small", str(target)]) == 0
    assert target.read_bytes() == files.path("segmentation-small").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    target.write_bytes(b"somebody's own")
    capsys.readouterr()
    assert cli.run(["models", "export", "segmentation-small", str(target)]) == cli.EXIT_ERROR
    assert "exists; --force overwrites it" in capsys.readouterr().err
    assert target.read_bytes() == b"somebody's own"
    assert cli.run(["models", "export", "segmentation-small", str(target), "--force"]) == 0
    assert target.read_bytes() == files.path("segmentation-small").read_bytes()
    assert cli.run(["models", "export", "segmentation-small", ""]) == cli.EXIT_USAGE
    assert "an empty name" in capsys.readouterr().err


def test_what_cannot_be_removed_stays_whole(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    keep_calibration(kept)
    (tmp_path / LARGE_FILE).write_bytes(WEIGHTS)
    assert cli.run(["models", "pull", "ecapa1024", "--from", str(tmp_path)]) == 0
    capsys.readouterr()
    monkeypatch.setattr(os, "replace", refuse)
    assert cli.run(["models", "remove", "ecapa1024"]) == cli.EXIT_ERROR
    assert capsys.readouterr().err == f"error: {kept / 'ecapa1024'}: cannot be removed: Permission denied\n"
    assert (kept / "ecapa1024" / LARGE_FILE).read_bytes() == WEIGHTS
    assert not list(kept.glob(".ecapa1024*"))
