"""Fixtures of more than one test file."""

from __future__ import annotations

import importlib.util
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from tests.support import web_library
from tests.support.library_example import DIMENSION, EMBEDDER, fill
from voicematch.library import Library, open_library
from voicematch.models import kit

POSTGRESQL = os.environ.get("VOICEMATCH_TEST_POSTGRESQL")  # a postgresql:// URL whose database may be written to

SHARED = Path(os.environ.get("VOICEMATCH_SHARED", Path(__file__).parent.parent.parent / "shared"))
NEEDS_TORCH = "needs the extra: pip install '.[torch]'"


@pytest.fixture(autouse=True)
def _data_of_nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests away from the library and the models of whoever runs them."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "data"))


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of an empty library on PostgreSQL."""
    if not POSTGRESQL:
        pytest.skip("VOICEMATCH_TEST_POSTGRESQL names no database")
    own_schema = f"test_{uuid.uuid4().hex}"
    server = sa.create_engine(POSTGRESQL.replace("postgresql://", "postgresql+psycopg://"))
    with server.begin() as connection:
        connection.execute(sa.schema.CreateSchema(own_schema))
    yield f"{POSTGRESQL}?options={quote(f'-csearch_path={own_schema}')}"
    with server.begin() as connection:
        connection.execute(sa.schema.DropSchema(own_schema, cascade=True))
    server.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """A new library, empty."""
    location = tmp_path / "library.db" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    with open_library(location, embedder=EMBEDDER, dimension=DIMENSION) as opened:
        yield opened


@pytest.fixture
def library(new_library: Library) -> Library:
    """The same, where no other is meant."""
    return new_library


@pytest.fixture
def filled(library: Library) -> Library:
    """A library with the example in it."""
    fill(library)
    return library


@pytest.fixture(scope="session")
def web_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``library.db``, which is for reading, and the recording that its episodes play."""
    folder = tmp_path_factory.mktemp("web")
    web_library.make_audio(folder / "episode.wav")
    web_library.make(folder / "library.db", audio=folder / "episode.wav")
    return folder


@pytest.fixture
def web_library_file(web_folder: Path, tmp_path: Path) -> Path:
    """A copy of that library, for writing."""
    with open_library(web_folder / "library.db") as library:
        library.upkeep.backup(tmp_path / "copy.db")
    return tmp_path / "copy.db"


@pytest.fixture
def few(tmp_path: Path) -> kit.Kit:
    """The first sixteen people of the calibration kit: quick to hear, and all of one corpus."""
    whole = kit.open_kit()
    table = tmp_path / "few.tsv"
    lines = whole.table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join(lines[:33]), encoding="utf-8")
    return kit.Kit(whole.sound, table, "few")


@pytest.fixture(scope="session")
def speechbrain_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of SpeechBrain's network with random weights, running means and variances too."""
    if importlib.util.find_spec("speechbrain") is None:
        pytest.skip(NEEDS_TORCH)
    from voicematch.engines import device, speechbrain

    torch = device.load("torch")
    torch.manual_seed(0)
    state = device.load("speechbrain.lobes.models.ECAPA_TDNN").ECAPA_TDNN(**speechbrain.SIZES).state_dict()
    for name, value in state.items():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
    file = tmp_path_factory.mktemp("weights") / "embedding_model.ckpt"
    torch.save(state, file)
    return file


@pytest.fixture(scope="session")
def segmentation_model() -> Path:
    """The folder of a real checkpoint of pyannote's segmentation model, beside this checkout or where it is named."""
    if importlib.util.find_spec("speechbrain") is None:
        pytest.skip(NEEDS_TORCH)
    folder = SHARED / "models" / "segmentation-3.0"
    if not (folder / "pytorch_model.bin").is_file():
        pytest.skip(f"no segmentation model in {folder}")
    return folder
