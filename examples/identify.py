"""Who speaks when, by name: python examples/identify.py EPISODE"""

import sys

from voicematch import identify, open_library

with open_library() as library:
    episode = identify(sys.argv[1], library=library)
for turn in episode.turns:
    print(f"{turn.start:8.2f} {turn.end:8.2f}  {episode.name(turn.speaker)}")
