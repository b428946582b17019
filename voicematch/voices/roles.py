"""What a voice seems to be: host, guest or advertisement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

HOST_SHARE = 0.5  # of a show's episodes, above which a voice belongs to the show
FEWEST_EPISODES = 3  # of a show, below which nothing is said of who hosts it
COHOST_SHARE = 0.25  # as much as one of several hosts who take turns; guests do not return that often
COHOST_EPISODES = 4  # below which that share may be chance
AD_SECONDS = 60.0  # most an advertisement talks in an episode
AD_EPISODES = 3  # of one show, in which a voice that never talks longer is no guest with few words


def role(heard: Sequence[tuple[str, float]], num_in_show: Mapping[str, int]) -> str:
    """Return what a voice seems to be: "host", "ad", "guest", or "" where there is too little to tell.

    heard : (show, talk seconds) for each episode it is heard in
    num_in_show : how many episodes of each of these shows are stored

    A host is heard in most episodes of a show, or again and again in many; an advertisement, or whoever reads the
    titles, is heard again and again and never talks long.

    >>> role([("A", 900.0), ("A", 800.0), ("A", 1000.0)], {"A": 4})
    'host'
    >>> role([("A", 30.0), ("B", 31.0)], {"A": 4, "B": 9})
    'ad'
    """
    by_show = {show: len(list(own)) for show, own in groupby(sorted(show for show, _ in heard))}
    is_short = max((seconds for _, seconds in heard), default=0.0) <= AD_SECONDS
    if is_short and (len(by_show) > 1 or len(heard) >= AD_EPISODES):
        return "ad"
    if any(_hosts(num, num_in_show[show]) for show, num in by_show.items()):
        return "host"
    return "guest" if any(num_in_show[show] >= FEWEST_EPISODES for show in by_show) else ""


def _hosts(num: int, num_in_show: int) -> bool:
    """Whether who is heard in so many of a show's episodes is one of its hosts."""
    most = num >= 2 and num > HOST_SHARE * num_in_show
    return most or (num >= COHOST_EPISODES and num >= COHOST_SHARE * num_in_show)
