"""Missed speech, false alarm and local diarization error of detectors on episodes with truth.

    python models/train/segmentation_evaluate.py --dev DEV --cache CACHE --onnx segmentation.onnx [--silero vad.onnx]
        [--teacher pytorch_model.bin]

An episode is a folder with audio.*, ref.rttm and ref.uem. Everything is counted in frames of 10 ms, no collar. The
local error compares, in windows of 10 s, a model's local speakers with the reference's under the best assignment: what
is missed, falsely heard or confused, over the speech of the reference.
"""

from __future__ import annotations

import voicematch  # noqa: F401  # isort: skip  # before onnxruntime, which it keeps from reporting

import argparse
from collections import defaultdict
from itertools import permutations
from pathlib import Path

import numpy as np
import onnxruntime
from augment import decode
from numpy.typing import NDArray
from segmentation_pool import close_gaps, runs

from voicematch.engines.features import log_mel

Samples = NDArray[np.float32]
MEMBERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)
WINDOW, HOP = 1_000, 750  # frames of 10 ms
MOST_REFERENCE_SPEAKERS = 6  # in one window of 10 s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--onnx", type=Path, action="append", default=[])
    parser.add_argument("--silero", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--threshold", type=float, action="append", default=[])
    parser.add_argument("--episodes", action="store_true", help="a line for every episode")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    folders = sorted(path.parent for path in options.dev.glob("*/ref.rttm"))
    detectors = [("segmentation-3.0", options.teacher)] if options.teacher else []
    detectors += [("silero", options.silero)] if options.silero else []
    detectors += [(path.name, path) for path in options.onnx]
    for name, path in detectors:
        for threshold in options.threshold or [0.5]:
            _report(name, path, folders, options.cache, threshold, options.episodes)


def _report(name: str, path: Path, folders: list[Path], cache: Path, threshold: float, each: bool) -> None:
    sums: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(6))
    for folder in folders:
        samples, rows = _heard(folder, cache)
        speakers, scored = reference(folder, len(rows))
        local = None
        if name == "silero":
            speech = silero(path, samples, len(rows))
        elif name == "segmentation-3.0":
            speech, local = _teacher(path, samples, len(rows), cache / f"{folder.name}.teacher.npz")
        else:
            speech, local = segment(path, rows)
        counts = np.concatenate([speech_errors(speech > threshold, np.any(speakers, axis=0), scored), [0, 0, 0]])
        if local is not None:
            counts[3:] = local_errors(local, speakers, scored)
        kind = folder.name.split("_")[0]
        for key in [kind if kind in ("syn", "tts") else "real", "all"] + ([folder.name] if each else []):
            sums[key] += counts
    for key, (missed, wrong, total, *local_counts) in sums.items():
        line = f"{name:28s} {threshold:.2f} {key:20s} " + _percent(total, missed=missed, false_alarm=wrong)
        detection, confusion, local_total = local_counts
        print(
            line + (f" local: {_percent(local_total, detection=detection, confusion=confusion)}" if local_total else "")
        )


def _percent(total: float, **parts: float) -> str:
    parts["sum"] = sum(parts.values())
    return " ".join(f"{part} {100 * count / total:5.1f}" for part, count in parts.items())


def _heard(folder: Path, cache: Path) -> tuple[Samples, Samples]:
    """Samples and features of an episode, kept in the cache."""
    if not (path := cache / f"{folder.name}.npz").exists():
        samples = decode(str(next(folder.glob("audio.*"))))
        np.savez(path, samples=samples, rows=log_mel(samples.astype(np.float32) / np.float32(32_768)))
    with np.load(path) as kept:
        return kept["samples"].astype(np.float32) / np.float32(32_768), kept["rows"]


def reference(folder: Path, num_frames: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(num_speakers, num_frames) who speaks, and (num_frames,) what is scored."""
    turns: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in (folder / "ref.rttm").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        turns[fields[7]].append((float(fields[3]), float(fields[3]) + float(fields[4])))
    speakers = np.zeros((len(turns), num_frames), bool)
    for row, spans in zip(speakers, turns.values(), strict=True):
        for start, end in spans:
            row[round(start * 100) : round(end * 100)] = True
    scored = np.zeros(num_frames, bool)
    for line in (folder / "ref.uem").read_text(encoding="utf-8").splitlines():
        scored[round(float(line.split()[2]) * 100) : round(float(line.split()[3]) * 100)] = True
    return speakers, scored


def speech_errors(heard: NDArray[np.bool_], truth: NDArray[np.bool_], scored: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Frames missed, falsely heard, and of speech, once gaps up to 0.3 s are closed and runs under 0.1 s are gone."""
    heard = close_gaps(heard, 30)
    for start, end in runs(heard):
        if end - start < 10:
            heard[start:end] = False
    missed, wrong = (truth & ~heard & scored).sum(), (heard & ~truth & scored).sum()
    return np.array([missed, wrong, (truth & scored).sum()], np.float64)


def local_errors(
    windows: dict[int, Samples], speakers: NDArray[np.bool_], scored: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Frames missed or falsely heard, confused, and of speech of everybody, summed over windows.

    windows : by first frame, (1000, 7) class probabilities every 10 ms
    """
    sums = np.zeros(3)
    for start, classes in windows.items():
        kept = scored[start : start + WINDOW]
        truth = speakers[:, start : start + WINDOW][:, kept]
        heard = MEMBERS[classes.argmax(axis=1)][: len(kept)][kept].T > 0
        truth = truth[np.argsort(-truth.sum(axis=1))][:MOST_REFERENCE_SPEAKERS]
        truth = np.concatenate([truth, np.zeros((max(0, 3 - len(truth)), truth.shape[1]), bool)])
        both = (heard[:, None] & truth[None]).sum(axis=2)
        matched = max(
            sum(both[k, name] for k, name in enumerate(names)) for names in permutations(range(len(truth)), 3)
        )
        said, found = truth.sum(axis=0), heard.sum(axis=0)
        sums += [np.abs(said - found).sum(), np.minimum(said, found).sum() - matched, said.sum()]
    return sums


def segment(path: Path, rows: Samples) -> tuple[Samples, dict[int, Samples]]:
    """(num_frames,) probability of speech every 10 ms, averaged over windows, and the windows' classes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    starts = list(range(0, max(1, len(rows) - WINDOW + HOP), HOP))
    padded = np.pad(rows, ((0, max(0, starts[-1] + WINDOW - len(rows))), (0, 0)), mode="symmetric")
    summed, count = np.zeros(len(padded)), np.zeros(len(padded))
    windows: dict[int, Samples] = {}
    for first in range(0, len(starts), 16):
        chosen = starts[first : first + 16]
        batch = np.stack([padded[start : start + WINDOW] for start in chosen])
        for start, classes in zip(chosen, session.run(None, {"features": batch})[0], strict=True):
            windows[start] = np.repeat(classes, 2, axis=0)
            weight = np.minimum(np.arange(1, WINDOW + 1), np.arange(WINDOW, 0, -1)).clip(max=125)
            summed[start : start + WINDOW] += weight * (1 - windows[start][:, 0])
            count[start : start + WINDOW] += weight
    return (summed / np.maximum(count, 1e-9))[: len(rows)].astype(np.float32), windows


def _teacher(path: Path, samples: Samples, num_frames: int, cache: Path) -> tuple[Samples, dict[int, Samples]]:
    from segmentation_teacher import FIRST_FRAME, FRAME_STEP, Teacher, posteriors  # needs torch

    if not cache.exists():
        found = list(posteriors(Teacher(path), samples, hop=HOP * 160))
        np.savez(cache, starts=[start for start, _ in found], classes=np.stack([classes for _, classes in found]))
    nearest = np.clip(np.round((np.arange(WINDOW) * 160 + 80 - FIRST_FRAME) / FRAME_STEP), 0, 588).astype(int)
    summed, count = np.zeros(num_frames + WINDOW), np.zeros(num_frames + WINDOW)
    with np.load(cache) as kept:
        windows = {
            int(start) // 160: classes[nearest] for start, classes in zip(kept["starts"], kept["classes"], strict=True)
        }
    for start, classes in windows.items():
        summed[start : start + WINDOW] += 1 - classes[:, 0]
        count[start : start + WINDOW] += 1
    return (summed / np.maximum(count, 1))[:num_frames].astype(np.float32), windows


def silero(path: Path, samples: Samples, num_frames: int) -> Samples:
    """(num_frames,) Silero VAD's probability (512 samples and 64 before them at a time), repeated to every 10 ms."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    padded = np.pad(samples, (64, -len(samples) % 512))
    state = [np.zeros((1, 1, 128), np.float32), np.zeros((1, 1, 128), np.float32)]
    windows = np.lib.stride_tricks.sliding_window_view(padded, 576)[::512]
    found = []
    for first in range(0, len(windows), 512):
        names = [one.name for one in session.get_inputs()]
        output, *state = session.run(
            None, dict(zip(names, [np.ascontiguousarray(windows[first : first + 512]), *state], strict=True))
        )
        found.append(output.ravel())
    each = np.concatenate(found)
    return each[np.minimum(np.arange(num_frames) * 160 // 512, len(each) - 1)]


if __name__ == "__main__":
    main()
