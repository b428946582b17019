"""Remember a voice: python examples/enroll.py NAME CLIP"""

import sys

from voicematch import enroll, open_library

name, clip = sys.argv[1:]
with open_library() as library:
    added = enroll(name, clip, library=library, consent="permission")
    print(f"{added.profile}: {added.speech_seconds:.0f} s of speech in {added.num_voiceprints} voiceprints")
    print(*added.warnings, sep="\n", end="")
