"""The public part of a library as files for any web server: people, shows, episodes, words.

Nothing in doubt and nothing private is in it: no vector, no path, no note, no name that nobody is sure of.
"""

from .folder import LIST, Written
from .places import About
from .words import fold, shard_of
from .write import write_site

__all__ = ["LIST", "About", "Written", "fold", "shard_of", "write_site"]
