"""Fixtures of more than one test file."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from voicematch.library import Library, open_library

from . import web_library
from .library_example import DIMENSION, EMBEDDER, fill

POSTGRESQL = os.environ.get("VOICEMATCH_TEST_POSTGRESQL")  # a postgresql:// URL whose database may be written to


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
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """A new library, empty."""
    location = tmp_path / "library.db" if request.param == "sqlite" else request.getfixturevalue("postgresql")
    with open_library(location, embedder=EMBEDDER, dimension=DIMENSION) as opened:
        yield opened


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
        library.backup(tmp_path / "copy.db")
    return tmp_path / "copy.db"
