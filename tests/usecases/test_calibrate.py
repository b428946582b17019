"""Calibrating an embedder with the kit, and a library with what its user said."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.measure import accuracy, calibrated
from tests.support.fakes import CALIBRATION, FakeEmbedder
from voicematch import cli
from voicematch.engines import open_embedder
from voicematch.engines.diarize import guide_of
from voicematch.engines.windows import Heard
from voicematch.errors import EmbedderMismatch, LibraryError, ModelError
from voicematch.library import Library, open_library
from voicematch.models import files, kit
from voicematch.models.table import DEFAULT_EMBEDDER
from voicematch.types import Array, Diarization, Embedding, LabelledEpisode, Turn
from voicematch.usecases import calibrate
from voicematch.usecases.chosen import Engines
from voicematch.usecases.enroll import enroll
from voicematch.usecases.learn import calibration_of
from voicematch.voices.score import Cohort, unit

sys.path.insert(0, str(calibrated.RECIPE))  # its files import each other by their own names, as scripts do

import calibrate as recipe


@pytest.fixture
def kept(tmp_path: Path, few: kit.Kit, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this machine's own models, and a kit of a few people."""
    monkeypatch.setenv("VOICEMATCH_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(kit, "open_kit", lambda: few)
    return tmp_path / "models"


def test_the_kit_that_ships_is_whole_and_small_and_open() -> None:
    whole = kit.open_kit()
    rows = [line.split("\t") for line in whole.table.read_text(encoding="utf-8").splitlines()[1:]]
    assert whole.sound.stat().st_size + whole.table.stat().st_size <= 4_000_000
    assert {row[5] for row in rows} <= {"CC0-1.0", "CC-BY-4.0", "MIT"}
    people = {row[0] for row in rows}
    assert len(people) >= 250
    assert sum(row[1] != "clean" for row in rows) >= 100
    assert {row[1] for row in rows} == {"clean", "telephone", "room", "music", "codec"}
    first = next(whole.recordings())
    assert (first.person, len(first.samples)) == (rows[0][0], round(float(rows[0][3]) * 16_000))
    assert 0.01 < np.abs(first.samples).max() <= 1


def test_a_list_that_is_not_of_the_sound_is_refused(few: kit.Kit) -> None:
    few.table.write_text("a\tb\n", encoding="utf-8")
    with pytest.raises(ModelError, match="is no list of a calibration kit"):
        list(few.recordings())
    few.table.write_text("\t".join(kit.COLUMNS) + "\nP1\tclean\t5000\t5001\ta\tMIT\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"P1 speaks where calibration-kit\.ogg has no sound"):
        list(few.recordings())


def test_an_embedder_is_calibrated_once_and_anew_for_another_kit(
    kept: Path, monkeypatch: pytest.MonkeyPatch, few: kit.Kit
) -> None:
    embedder, steps = open_embedder(DEFAULT_EMBEDDER, device="cpu"), []
    assert calibrate.ensure(embedder) is None  # one came with voicematch
    shipped = files.calibration(DEFAULT_EMBEDDER)
    made = calibrate.calibrate(embedder, progress=lambda step, done, total: steps.append((step, done, total)))
    assert made.file == kept / f"{DEFAULT_EMBEDDER}.calibration.json"
    assert steps[0] == ("calibrate", 0, 32)
    assert 0 < made.cllr < 0.5
    assert sum(one.num for one in made.curve) == made.num_right + made.num_wrong
    own = files.calibration(DEFAULT_EMBEDDER)
    assert own.to_json() == made.calibration.to_json() != shipped.to_json()
    written = json.loads(made.file.read_text(encoding="utf-8"))
    assert (written["kit"], written["model"]) == ("few", files.fingerprint(DEFAULT_EMBEDDER))
    assert files.calibration_file(DEFAULT_EMBEDDER, "few") == made.file
    assert files.calibration_file(DEFAULT_EMBEDDER, "other") != made.file
    made.file.write_text(json.dumps(written | {"model": "of other weights"}), encoding="utf-8")
    assert files.calibration(DEFAULT_EMBEDDER).to_json() == shipped.to_json()


def test_an_embedder_that_tells_nobody_apart_is_refused(kept: Path) -> None:
    class Deaf(FakeEmbedder):
        def embed(self, samples: Array, windows: npt.NDArray[np.int64], features: Array | None = None) -> Array:
            return np.tile(np.eye(1, self.dimension, dtype=np.float32), (len(windows), 1))

    with pytest.raises(ModelError, match="'fake' cannot be calibrated: it tells no voice from another"):
        calibrate.calibrate(Deaf())
    assert not kept.exists()


def test_a_model_of_ones_own_needs_a_card_and_is_calibrated_beside_its_file(
    kept: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "mine.onnx"
    model.write_bytes(files.path(DEFAULT_EMBEDDER).read_bytes())
    command = ["calibrate", "--embedder", str(model), "--json", "--svg", str(tmp_path / "curve.svg")]
    assert cli.run(command) == 1
    assert "mine.onnx: needs a card beside it, mine.json" in capsys.readouterr().err
    model.with_suffix(".json").write_text('{"dimension": 192, "front_end": "mp3", "min_speech": 0.5}', "utf-8")
    assert cli.run(command) == 1
    assert "mine.json: is no card of an embedder" in capsys.readouterr().err
    model.with_suffix(".json").write_text('{"dimension": 192, "front_end": "kaldi", "min_speech": 0.5}', "utf-8")
    assert cli.run(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["file"] == str(tmp_path / "mine.calibration.json")
    assert printed["embedder"] == str(model)
    assert (tmp_path / "mine.backend.npz").is_file()
    assert (tmp_path / "curve.svg").read_text(encoding="utf-8").startswith("<svg ")
    embedder = open_embedder(str(model), device="cpu")
    guide = guide_of(embedder)
    assert guide is not None
    assert guide.name == DEFAULT_EMBEDDER
    assert files.calibration(str(model)).embedder == str(model)
    with open_library(tmp_path / "library.db") as library:
        engines = Engines(embedder=embedder)
        engines.resolve(library)
        enroll(
            "Ada",
            Path(__file__).parents[2] / "examples" / "voices" / "Ada.mp3",
            library=library,
            consent="public",
            engines=engines,
        )
        model.write_bytes(files.path("campplus").read_bytes())
        with pytest.raises(EmbedderMismatch, match="before its file was replaced"):
            Engines(embedder=open_embedder(str(model), device="cpu")).resolve(library)
    model.unlink()
    with pytest.raises(ModelError, match=r"mine\.onnx is missing"):
        open_embedder(str(model), device="cpu")


def test_a_model_that_cannot_be_run_is_refused_before_the_kit_is_decoded(
    kept: Path, tmp_path: Path, few: kit.Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kit.ogg").write_bytes(b"not to be decoded")
    monkeypatch.setattr(kit, "open_kit", lambda: replace(few, sound=tmp_path / "kit.ogg"))
    model = tmp_path / "mine.onnx"
    model.write_bytes(files.path(DEFAULT_EMBEDDER).read_bytes()[:100_000])
    model.with_suffix(".json").write_text('{"dimension": 192, "front_end": "kaldi", "min_speech": 0.5}', "utf-8")
    with pytest.raises(ModelError, match=r"mine\.onnx: cannot be run, is it a whole model of voices"):
        calibrate.calibrate(open_embedder(str(model), device="cpu"))


def test_options_that_do_not_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["calibrate", "--from-library", "--undo"]) == 2
    assert cli.run(["calibrate", "--from-library", "--embedder", "x"]) == 2


# -- from a library


def library_of(folder: Path, num_people: int, num_episodes: int) -> Library:
    """Everybody speaks in every episode and was confirmed there; a voice is an axis and some noise."""
    random = np.random.default_rng(0)
    library = open_library(folder / "library.db", embedder="fake", dimension=64)
    library.settings.set("calibration", CALIBRATION.to_json())
    names = [f"Person {number}" for number in range(num_people)]

    def heard(number: int, at: float) -> Embedding:
        noise = 0.9 * random.normal(size=64) / 8
        return Embedding(unit(np.eye(64)[number] + noise), 10.0, at, at + 10)

    for name in names:
        library.profiles.create(name)
    for episode in range(num_episodes):
        sha256 = f"{episode:064x}"
        labels = [f"SPEAKER_{number:02d}" for number in range(num_people)]
        turns = tuple(Turn(10.0 * number, 10.0 * number + 9, label) for number, label in enumerate(labels))
        embeddings = {label: (heard(number, 10.0 * number),) for number, label in enumerate(labels)}
        library.episodes.store(
            LabelledEpisode(f"{episode}.mp3", sha256, 10.0 * num_people, turns, {}, embedder="fake", diarizer="fake"),
            embeddings,
        )
        for number, (label, name) in enumerate(zip(labels, names, strict=True)):
            library.said.confirm(sha256, label, name)
            library.voiceprints.add(
                name,
                embeddings[label],
                embedder="fake",
                consent="public",
                source=f"{episode}.mp3",
                audio_sha256=sha256,
            )
            assert number < 64
    return library


def test_a_library_is_refined_with_what_was_confirmed_and_goes_back(tmp_path: Path) -> None:
    with library_of(tmp_path, 6, 5) as library:
        before = calibration_of(library)
        found = calibrate.refine(library)
        assert (found.num_right, found.num_wrong) == (30, 150)
        assert found.cllr_before is not None
        assert found.cllr < found.cllr_before
        after = calibration_of(library)
        assert after.to_json() == found.calibration.to_json() != before.to_json()
        assert calibrate.forget(library)
        assert library.settings.get("calibration") is None
        assert not calibrate.forget(library)


def test_a_library_with_few_words_is_not_refined(tmp_path: Path) -> None:
    with library_of(tmp_path, 3, 2) as library:
        before = library.settings.get("calibration")
        with pytest.raises(LibraryError, match=r"6 confirmed and 12 other pairs .* too few .* it takes 20 and 100"):
            calibrate.refine(library)
        assert library.settings.get("calibration") == before


def test_a_show_is_judged_by_a_calibration_that_has_not_heard_it() -> None:
    """`python -m tests.measure.accuracy --leave-out`: whatever is in a show, what it is judged by stays the same."""
    shows = ("one", "two", "three")
    episodes, profiles = heard_shows(shows)
    cohort = Cohort(np.stack([voice(seed) for seed in range(900, 960)]))

    def without(show: str, episodes: list[Any], profiles: dict[str, tuple[Embedding, ...]]) -> str:
        return calibrated.without(recipe, show, episodes, profiles, "fake", cohort).to_json()

    others, of_others = heard_shows(shows, seed=7)
    changed = [other if other.show == "one" else one for one, other in zip(episodes, others, strict=True)]
    clips = {key: (of_others if key.startswith("one/") else profiles)[key] for key in profiles}
    assert without("one", changed, clips) == without("one", episodes, profiles)
    assert without("two", changed, clips) != without("two", episodes, profiles)


def test_what_was_fitted_to_the_shows_is_said_below_the_table() -> None:
    fitted = dict.fromkeys(("one", "two"), CALIBRATION)
    assert accuracy.report({}, "fake", fitted).splitlines()[-1] == (
        "Calibration: fitted to all shows with exact truth but the one that is judged, in turn (2 judged)."
    )
    assert accuracy.report({}, "fake", {}).splitlines()[-1] == "Calibration: the one that comes with fake."


def voice(seed: int) -> Array:
    return unit(np.random.default_rng(seed).standard_normal(16).astype(np.float32))


def heard_shows(shows: Sequence[str], *, seed: int = 0) -> tuple[list[Any], dict[str, tuple[Embedding, ...]]]:
    """An episode of six people in each show, two minutes each, four of them enrolled."""
    episodes, profiles = [], {}
    for number, show in enumerate(shows):
        rng = np.random.default_rng([seed, number])
        people = [f"{show}{idx}" for idx in range(6)]
        turns = tuple(Turn(120.0 * idx, 120.0 * (idx + 1), name) for idx, name in enumerate(people))
        starts = np.arange(0.0, 720.0 - 1.5, 0.75)
        heard = Heard(16)
        heard.windows = np.stack([starts, starts + 1.5], axis=1)
        own = [voice(1000 * seed + 100 * number + int(start // 120)) for start in starts]
        heard.vectors = np.stack([unit(one + rng.normal(0, 0.12, 16).astype(np.float32)) for one in own])
        for idx, name in enumerate(people[:4]):
            rows = np.flatnonzero(starts // 120 == idx)[:20]
            vectors = np.stack([unit(heard.vectors[row] + rng.normal(0, 0.1, 16).astype(np.float32)) for row in rows])
            profiles[f"{show}/{name}"] = recipe.stretches_of(heard.windows[rows], vectors)
        found = Diarization((), {}, 720.0)
        episodes.append(recipe.Episode(show, show, frozenset(people[:4]), turns, ((0.0, 720.0),), heard, found))
    return episodes, profiles
