"""The tables, once, for SQLite and PostgreSQL. A change here needs a step in ``migrations.STEPS``.

What is said of a person hangs on ``profiles.id``, never on a name, so that renaming touches one row and forgetting
leaves no name behind. Vectors are little-endian float32; the ones of a speaker are read together, so they are stored
together. Dates are ISO 8601 text in UTC.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Table, Text

from ..types import Verdict

metadata = sa.MetaData()

ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up only a column that is exactly INTEGER

migrations = Table(
    "migrations",
    metadata,
    Column("name", Text, primary_key=True),
    Column("applied", Text, nullable=False),
)

# What belongs to one embedder (calibration, thresholds) carries its name; what belongs to the library carries "".
# Pictures of shows are no settings, but values by key all the same: base64 of a JPEG, by `formats.addresses.slug`.
PICTURES = "pictures of shows"
settings = Table(
    "settings",
    metadata,
    Column("embedder", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("role", Text),
    Column("note", Text),
    Column("created", Text, nullable=False),
    sqlite_autoincrement=True,  # a forgotten profile's id must never come to mean somebody else
)

# What a person's page shows of them. links : JSON, [address, …]; picture : a square JPEG, NULL where there is none
portrayals = Table(
    "portrayals",
    metadata,
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True),
    Column("about", Text, nullable=False, server_default=""),
    Column("links", Text, nullable=False, server_default="[]"),
    Column("picture", sa.LargeBinary),
)

# sha256 : of the audio, so that a clip that has lost its bytes is found out
clips = Table(
    "clips",
    metadata,
    Column("id", ID, primary_key=True),
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("audio", sa.LargeBinary, nullable=False),
    Column("created", Text, nullable=False),
    Column("sha256", Text),
)

# consent_date, consent_note : when the consent was given, and what else was said of it; NULL where nobody said
voiceprints = Table(
    "voiceprints",
    metadata,
    Column("id", ID, primary_key=True),
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="CASCADE"), nullable=False),
    Column("clip_id", ID, ForeignKey("clips.id", ondelete="SET NULL"), index=True),
    Column("embedder", Text, nullable=False),
    Column("vector", sa.LargeBinary, nullable=False),
    Column("seconds", sa.Double, nullable=False),
    Column("audio_sha256", Text, nullable=False),
    Column("start", sa.Double, nullable=False),
    Column("stop", sa.Double, nullable=False),
    Column("source", Text, nullable=False),
    Column("consent", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("consent_date", Text),
    Column("consent_note", Text),
    sa.UniqueConstraint("profile_id", "embedder", "audio_sha256", "start", "stop"),
)

# ``chapters`` is JSON: [[start, title], …]
# ``parts`` is JSON: [[source, track, channel, offset], …] of what was listened to, NULL where that is all as one
episodes = Table(
    "episodes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("audio_sha256", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False, index=True),
    Column("name", Text, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("date", Text, index=True),
    Column("duration", sa.Double, nullable=False),
    Column("lost_seconds", sa.Double, nullable=False),
    Column("embedder", Text, nullable=False),
    Column("diarizer", Text, nullable=False),
    Column("stored", Text, nullable=False),
    Column("show", Text, nullable=False, server_default=""),
    Column("chapters", Text),
    Column("parts", Text),
)

# The same sound may come from several places: a copy under another name, the feeds of two shows.
known_as = Table(
    "known_as",
    metadata,
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("show", Text, nullable=False),
    sa.Index("known_as_source", "source"),
)

# ``confirmed`` is when a person said so; no machine changes such a row's match.
speakers = Table(
    "speakers",
    metadata,
    Column("id", ID, primary_key=True),
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False),
    Column("label", Text, nullable=False),
    Column("position", sa.Integer, nullable=False),
    Column("talk_seconds", sa.Double, nullable=False),
    Column("num_turns", sa.Integer, nullable=False),
    Column("verdict", Text),
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="SET NULL"), index=True),
    Column("probability", sa.Double, nullable=False, default=0.0),
    Column("reasons", Text, nullable=False, default="[]"),
    Column("confirmed", Text),
    sa.UniqueConstraint("episode_id", "label"),
)

candidates = Table(
    "candidates",
    metadata,
    Column("speaker_id", ID, ForeignKey("speakers.id", ondelete="CASCADE"), primary_key=True),
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("position", sa.Integer, nullable=False),
    Column("score", sa.Double, nullable=False),
    Column("probability", sa.Double, nullable=False),
    Column("agreement", sa.Double, nullable=False),
)

# vectors : (num_embeddings, dimension) float32; spans : (num_embeddings, 3) float64 of net seconds, start, end
speaker_embeddings = Table(
    "speaker_embeddings",
    metadata,
    Column("speaker_id", ID, ForeignKey("speakers.id", ondelete="CASCADE"), primary_key=True),
    Column("vectors", sa.LargeBinary, nullable=False),
    Column("spans", sa.LargeBinary, nullable=False),
)

turns = Table(
    "turns",
    metadata,
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), primary_key=True),
    Column("position", sa.Integer, primary_key=True),
    Column("speaker_id", ID, ForeignKey("speakers.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("start", sa.Double, nullable=False),
    Column("stop", sa.Double, nullable=False),
)

# ``speaker`` is what the line says: a local label, or a name read from a transcript file, or nothing.
# ``folded`` is what the search index has in place of the text, NULL where that is the text itself (folding.py).
lines = Table(
    "lines",
    metadata,
    Column("id", ID, primary_key=True),
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False),
    Column("position", sa.Integer, nullable=False),
    Column("start", sa.Double, nullable=False),
    Column("stop", sa.Double, nullable=False),
    Column("speaker", Text),
    Column("text", Text, nullable=False),
    Column("words", Text),
    Column("others", Text),
    Column("folded", Text),
    sa.UniqueConstraint("episode_id", "position"),
)

# An external-content index keeps the words of a line once. The triggers also run for rows deleted by a cascade.
SEARCH_ON_SQLITE = (
    "CREATE VIEW lines_sought AS SELECT id, coalesce(folded, text) AS text FROM lines",
    "CREATE VIRTUAL TABLE lines_fts USING fts5"
    "(text, content='lines_sought', content_rowid='id', tokenize='unicode61 remove_diacritics 2')",
    "CREATE TRIGGER lines_inserted AFTER INSERT ON lines BEGIN"
    " INSERT INTO lines_fts(rowid, text) VALUES (new.id, coalesce(new.folded, new.text)); END",
    "CREATE TRIGGER lines_deleted AFTER DELETE ON lines BEGIN"
    " INSERT INTO lines_fts(lines_fts, rowid, text) VALUES ('delete', old.id, coalesce(old.folded, old.text)); END",
    "CREATE TRIGGER lines_updated AFTER UPDATE OF text, folded ON lines BEGIN"
    " INSERT INTO lines_fts(lines_fts, rowid, text) VALUES ('delete', old.id, coalesce(old.folded, old.text));"
    " INSERT INTO lines_fts(rowid, text) VALUES (new.id, coalesce(new.folded, new.text)); END",
)
# From the lines of today alone. What is deleted from such an index by the row is only marked as deleted in it.
REBUILD_SEARCH_ON_SQLITE = "INSERT INTO lines_fts(lines_fts) VALUES ('rebuild')"
# The words as SQLite's parser finds them, which knows neither addresses nor compounds.
SOUGHT_ON_POSTGRESQL = (
    "to_tsvector('simple'::regconfig, coalesce(folded, regexp_replace(text, '[^A-Za-z0-9]+', ' ', 'g')))"
)
SEARCH_ON_POSTGRESQL = (f"CREATE INDEX lines_words ON lines USING gin ({SOUGHT_ON_POSTGRESQL})",)
for dialect, statements in (("sqlite", SEARCH_ON_SQLITE), ("postgresql", SEARCH_ON_POSTGRESQL)):
    for statement in statements:
        made = sa.DDL(statement).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
        sa.event.listen(lines, "after_create", made)


jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False, index=True),
    Column("show", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("date", Text),
    Column("duration", sa.Double),
    Column("about", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("changed", Text),
    Column("changed_to", Text),
    Column("state", Text, nullable=False),
    Column("attempts", sa.Integer, nullable=False, default=0),
    Column("crashes", sa.Integer, nullable=False, default=0),
    Column("worker", Text),
    Column("heartbeat", sa.Double),
    Column("error", Text),
    Column("unexpected", sa.Boolean, nullable=False, default=False),
    Column("audio_sha256", Text, index=True),
    Column("added", Text, nullable=False),
    Column("started", Text),
    Column("finished", Text),
    sa.Index("jobs_state_id", "state", "id"),
)


job_outputs = Table(
    "job_outputs",
    metadata,
    Column("path", Text, primary_key=True),
    Column("job_id", ID, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("format", Text, nullable=False),
)


# digest : sha256 of what was last written there, or was about to be; NULL for files of an older library
# digest_before : of what was there before that, for when the writing never came about
# stale : set in the transaction that changes what the file should say, and taken away when that is written; whoever
#     takes it away names the value it saw, so that a change meanwhile is not lost
# as_source, as_title, as_show : as which the episode was written there; NULL for files of an older library
outputs = Table(
    "outputs",
    metadata,
    Column("path", Text, primary_key=True),
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("format", Text, nullable=False),
    Column("digest", Text),
    Column("digest_before", Text),
    Column("stale", Text),
    Column("as_source", Text),
    Column("as_title", Text),
    Column("as_show", Text),
)


# What was written out of the library and is not followed: backups, exports, sites.
# begun : when the writing began; finished : when it ended, NULL while it has not
copies = Table(
    "copies",
    metadata,
    Column("path", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("begun", Text, nullable=False),
    Column("finished", Text),
)


unknowns = Table(
    "unknowns",
    metadata,
    Column("id", ID, primary_key=True),
    Column("created", Text, nullable=False),
    Column("ignored_as", Text),
    sqlite_autoincrement=True,  # a number must never come to mean another voice
)


# vector : (dimension,) float32, all of the speaker's embeddings pooled
# steadiness : how little the voice varies, as score.steadiness has it; NULL where there is too little to tell
unknown_speakers = Table(
    "unknown_speakers",
    metadata,
    Column("speaker_id", ID, ForeignKey("speakers.id", ondelete="CASCADE"), primary_key=True),
    Column("unknown_id", ID, ForeignKey("unknowns.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("vector", sa.LargeBinary, nullable=False),
    Column("seconds", sa.Double, nullable=False),
    Column("steadiness", sa.Double),
)


# What a person said of a stretch that no speaker of today's answer holds; another answer may have it again.
# spans : JSON, [[start, end], …] of the turns that it was said of
set_aside = Table(
    "set_aside",
    metadata,
    Column("id", ID, primary_key=True),
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="CASCADE"), index=True),
    Column("spans", Text, nullable=False),
    Column("verdict", Text),
    Column("probability", sa.Double, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("confirmed", Text, nullable=False),
)


ruled_out = Table(
    "ruled_out",
    metadata,
    Column("speaker_id", ID, ForeignKey("speakers.id", ondelete="CASCADE"), primary_key=True),
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="CASCADE"), primary_key=True, index=True),
)

# What a person fixed in an answer, applied in order over what the engines found, also in a later run.
# batch : fixes made at one go, which are taken back at one go; counted up in each episode
# kind : "give" spans to a speaker, "merge" a speaker into another, "text" new words for a line
# label, source : local labels of the stored answer: who gets the spans, who is merged away
# profile_id : who a person said the speaker is; created : also when that was said, as in ``speakers.confirmed``
# spans : JSON, [[start, end], …]; before : the words that were there
fixes = Table(
    "fixes",
    metadata,
    Column("id", ID, primary_key=True),
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("batch", sa.Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("label", Text),
    Column("source", Text),
    Column("profile_id", ID, ForeignKey("profiles.id", ondelete="SET NULL"), index=True),
    Column("spans", Text, nullable=False),
    Column("text", Text),
    Column("before", Text),
    Column("created", Text, nullable=False),
    sqlite_autoincrement=True,
)


# The answer as the engines gave it, of episodes with fixes alone, so that a fix can be taken back.
# turns : JSON, [[start, end, label], …]; lines : JSON, [[start, end, text, speaker, words, others], …]
as_heard = Table(
    "as_heard",
    metadata,
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), primary_key=True),
    Column("turns", Text, nullable=False),
    Column("lines", Text, nullable=False),
)


# The voices of that answer, as in ``speaker_embeddings``, and which unknown each was.
heard_voices = Table(
    "heard_voices",
    metadata,
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), primary_key=True),
    Column("label", Text, primary_key=True),
    Column("unknown_id", ID, ForeignKey("unknowns.id", ondelete="SET NULL"), index=True),
    Column("vectors", sa.LargeBinary, nullable=False),
    Column("spans", sa.LargeBinary, nullable=False),
)

# What the engines heard in an episode, by ``embedder``; ``types.Windows`` says what it is.
# vectors : (num_windows, dimension) float16; moments : (num_moments, dimension) int8; rest : the other arrays, as .npz
windows = Table(
    "windows",
    metadata,
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), primary_key=True),
    Column("embedder", Text, nullable=False),
    Column("dimension", sa.Integer, nullable=False),
    Column("duration", sa.Double, nullable=False),
    Column("vectors", sa.LargeBinary, nullable=False),
    Column("moments", sa.LargeBinary, nullable=False),
    Column("rest", sa.LargeBinary, nullable=False),
)

# The answer on an episode as it was before its voices were told apart anew; the later ones last.
# digest : of the answer that came after it; answer : the rows it was made of, as earlier.py packs them
earlier_answers = Table(
    "earlier_answers",
    metadata,
    Column("id", ID, primary_key=True),
    Column("episode_id", ID, ForeignKey("episodes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("made", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("answer", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # a number must never come to mean another answer
)

# What several rooms ask for in the same words.
ACCEPTED = speakers.c.verdict == Verdict.ACCEPT.value  # the speaker has a profile's name
UNNAMED = sa.func.coalesce(speakers.c.verdict, "") != Verdict.ACCEPT.value
WHEN = sa.func.coalesce(episodes.c.date, episodes.c.stored)  # an episode's day, as far as it is known
