"""Makes the example: episode.mp3 with its transcript and truth, and a clip of each voice for enrollment.

The words are our own and the voices are synthetic: flite's slt and awb, and espeak-ng, all from Debian.

    apt install flite espeak-ng && python examples/make_episode.py
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np

from voicematch.audio import SAMPLE_RATE, Audio
from voicematch.types import Array

HERE = Path(__file__).parent
SPEAK = {  # how each voice is made; the file's name and the text are added
    "Ada": ("flite", "-voice", "slt", "-o", "{file}", "-t", "{text}"),
    "Basil": ("flite", "-voice", "awb", "-o", "{file}", "-t", "{text}"),
    "Conrad": ("espeak-ng", "-v", "en-gb", "-s", "150", "-w", "{file}", "{text}"),
}
LEVEL = {"Ada": -20.0, "Basil": -23.0, "Conrad": -21.5}  # dB, of each voice's speech: nobody sits equally close
NOISE = -66.0  # dB; a quiet room, for true silence is found nowhere
SENTENCE_PAUSE, TURN_PAUSE = 0.25, 0.45  # s

EPISODE = (
    (
        "Ada",
        "Welcome back to the Workbench.",
        "This is the show about mending things that other people throw away.",
        "I am Ada, and across the table, with solder on his sleeves, sits Basil.",
    ),
    ("Basil", "Good evening.", "The solder is from last week, and I am rather proud of it."),
    ("Ada", "Our guest today has forty old radios in a very small flat.", "Conrad, how did that begin?"),
    (
        "Conrad",
        "It began with one radio that my neighbour put out in the rain.",
        "I carried it upstairs, let it dry for a month, and replaced two capacitors.",
        "Then it played dance music, and I was lost.",
    ),
    ("Basil", "May I ask the question that everybody asks?", "Is it safe to plug in a radio of that age?"),
    (
        "Conrad",
        "Not before you have looked inside.",
        "The old paper capacitors leak, and the cloth on the mains lead crumbles.",
        "I change both before any current flows.",
    ),
    ("Ada", "And then comes the hum."),
    ("Conrad", "Always the hum."),
    (
        "Basil",
        "In my experience the hum is the power supply.",
        "The big electrolytic has dried out, so the ripple goes straight to the loudspeaker.",
        "A new part costs less than a sandwich.",
    ),
    (
        "Ada",
        "What about the cabinet?",
        "I have a walnut one at home that somebody painted green.",
    ),
    (
        "Conrad",
        "Be patient with it.",
        "Use a soft scraper, never a sander, because the veneer is as thin as a playing card.",
    ),
    ("Basil", "And keep the knobs.", "You will never find another set that matches."),
    (
        "Ada",
        "That is all we have time for.",
        "Next week we open a clock that runs backwards.",
        "Thank you, Conrad, and good night from the Workbench.",
    ),
    ("Basil", "Good night."),
)

CLIPS = {
    "Ada": (
        "When I was small, my grandmother kept a drawer full of buttons, springs and broken watches.",
        "Nothing in that drawer had a purpose, and yet every repair in the house started there.",
        "I still have the drawer.",
        "It now holds fuses, three kinds of wire, and a magnifying glass that I can never find.",
        "If you are new to this, begin with a lamp, because a lamp forgives almost everything.",
        "Write down each screw that you take out, and the order in which you took it.",
    ),
    "Basil": (
        "The first thing I ever mended was a kettle, and I mended it badly.",
        "It boiled, but it also switched off the lights in two rooms.",
        "Since then I have owned a good meter, and I trust it more than my eyes.",
        "A cheap iron is fine for thick wire, but a circuit board wants a steady temperature.",
        "Clean the joint, heat the metal and not the solder, and count slowly to three.",
        "When it shines like a drop of water, leave it alone.",
    ),
    "Conrad": (
        "My favourite shop closed in the spring, after sixty years in the same narrow street.",
        "The owner knew every valve by its number and every customer by the noise of his door.",
        "On the last day he gave me a box of dial lamps and a map of long wave stations.",
        "Half of those stations have been silent for decades.",
        "I keep the map on the wall, and in winter I turn the dial slowly from one name to the next.",
        "Now and then, late at night, one of them answers.",
    ),
}


def spoken(name: str, text: str) -> Array:
    """The text in that voice at its level, without the silence around it; (num_samples,) float32 at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/speech.wav"
        subprocess.run([part.format(file=file, text=text) for part in SPEAK[name]], check=True)
        samples = Audio(file).read(0.0, 60.0)
    frame = SAMPLE_RATE // 100
    frames = samples[: len(samples) // frame * frame].reshape(-1, frame)
    loudness = np.sqrt((frames**2).mean(axis=1))
    speech = np.flatnonzero(loudness > 0.02 * loudness.max())
    samples = samples[speech[0] * frame : (speech[-1] + 1) * frame]
    gain = 10 ** (LEVEL[name] / 20) / np.sqrt((samples**2).mean())
    return np.asarray(samples * gain, dtype=np.float32)


def write_mp3(file: Path, samples: Array, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(len(samples)) * 10 ** (NOISE / 20)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libmp3lame", rate=44_100, layout="mono")
        stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray((samples + noise).astype(np.float32)[np.newaxis], "flt", "mono")
        frame.sample_rate = SAMPLE_RATE
        for piece in (frame, None):
            container.mux(stream.encode(piece))


def silence(seconds: float) -> Array:
    return np.zeros(round(seconds * SAMPLE_RATE), dtype=np.float32)


def srt_time(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def make_episode() -> None:
    pieces = [silence(TURN_PAUSE)]
    cues: list[str] = []
    turns: list[str] = []
    for name, *sentences in EPISODE:
        begin = sum(map(len, pieces)) / SAMPLE_RATE
        for sentence in sentences:
            start = sum(map(len, pieces)) / SAMPLE_RATE
            pieces.append(spoken(name, sentence))
            end = sum(map(len, pieces)) / SAMPLE_RATE
            cues.append(f"{len(cues) + 1}\n{srt_time(start)} --> {srt_time(end)}\n{sentence}\n")
            pieces.append(silence(SENTENCE_PAUSE))
        turns.append(f"SPEAKER episode 1 {begin:.3f} {end - begin:.3f} <NA> <NA> {name} <NA> <NA>\n")
        pieces.append(silence(TURN_PAUSE - SENTENCE_PAUSE))
    write_mp3(HERE / "episode.mp3", np.concatenate(pieces), seed=1)
    (HERE / "episode.srt").write_text("\n".join(cues), encoding="utf-8")
    (HERE / "episode.rttm").write_text("".join(turns), encoding="utf-8")


def make_clips() -> None:
    (HERE / "voices").mkdir(exist_ok=True)
    for seed, (name, sentences) in enumerate(CLIPS.items(), start=2):
        pieces = [part for sentence in sentences for part in (spoken(name, sentence), silence(SENTENCE_PAUSE))]
        write_mp3(HERE / "voices" / f"{name}.mp3", np.concatenate(pieces), seed)


if __name__ == "__main__":
    make_episode()
    make_clips()
