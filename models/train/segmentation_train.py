r"""Trains the speech segmentation model, from a manifest of audio to an ONNX file.

    python models/train/segmentation_train.py --work WORK --manifest train.tsv --noise noise.tsv --minutes 60 \
        --export OUT.onnx [--teacher pytorch_model.bin] [--begin segmentation-small.onnx] [--recordings FOLDER]

Steps, each skipped when its result is there: decode and label the clips (``segmentation_pool``), simulate conversations
into WORK/scenes (``segmentation_scenes``; ``--only simulate`` in a second process, with another seed, can go on while
another one trains), train (goes on from WORK/last.pt), export. ``--teacher`` names a segmentation-3.0 checkpoint that
says where clips contain speech, and what it hears in each scene: ``--trust`` weighs its answer against the truth.
Of recordings without a truth only the answer is learnt. ``--begin`` takes over the weights of a model of before.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_pool
import torch
from segmentation import NUM_BINS, STRIDE, Posteriors, Segmentation, begin, loss, permuted_classes
from segmentation_scenes import Scenes, generate, hear

log = logging.getLogger(__name__)

AVERAGE = 0.998  # share of the old average that stays at each step: a memory of 500 steps
WEIGHT = 0.5  # of speech, and of overlap, beside who is who


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        handlers=[logging.FileHandler(options.work / f"{options.only or 'all'}.log"), logging.StreamHandler()],
    )
    torch.set_num_threads(options.threads)
    teacher = None
    if options.teacher is not None:
        from segmentation_teacher import Teacher  # the recipe works without it

        teacher = Teacher(options.teacher)
    if options.only in (None, "prepare"):
        prepare(options, teacher)
    if options.only in (None, "hear") and options.recordings is not None:
        files = [path for path in sorted(options.recordings.rglob("*")) if path.is_file()]
        hear(options.work, [path for path in files if path.suffix in (".flac", ".wav")], _answers(teacher))
    if options.only in (None, "simulate"):
        generate(options.work, options.hours, options.seed, options.similar, _answers(teacher), options.on_table)
    if options.only in (None, "train"):
        train(options)
    if options.only in (None, "export"):
        export(options.work / "last.pt", options.export)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for everything in between")
    parser.add_argument("--manifest", type=Path, help="tab separated: speaker, path (relative to the manifest)")
    parser.add_argument("--noise", type=Path, help="tab separated: corpus, kind (noise, music, rir), path")
    parser.add_argument("--teacher", type=Path, help="segmentation-3.0's pytorch_model.bin")
    parser.add_argument("--begin", type=Path, help="an ONNX file of this recipe, to begin from")
    parser.add_argument("--similar", type=Path, help="a clips-*.npz of fit_engine.py: scenes of voices alike, too")
    parser.add_argument("--recordings", type=Path, help="a folder of sound without labels, for the teacher to hear")
    parser.add_argument(
        "--trust", type=float, default=0.5, help="weight of the teacher's answer where the truth is known"
    )
    parser.add_argument("--added", type=float, default=0.35, help="of the windows, in which one more speaker talks")
    parser.add_argument(
        "--on-table", type=float, default=0.0, help="share of the scenes that a microphone on a table hears"
    )
    parser.add_argument("--only", choices=["prepare", "hear", "simulate", "train", "export"])
    parser.add_argument("--hours", type=float, default=20.0, help="of conversation to simulate")
    parser.add_argument("--minutes", type=float, default=60.0, help="of training, earlier runs counted")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--export", type=Path, default=Path("segmentation.onnx"))
    return parser.parse_args()


def prepare(options: argparse.Namespace, teacher: Any) -> None:
    """Decode the manifests and find where each clip's speaker speaks."""
    if not (options.work / "speech.npy").exists():
        segmentation_pool.build(options.noise, options.work, "noise")
        segmentation_pool.build(options.manifest, options.work, "speech")
    if not (options.work / "active.npy").exists():
        detector = None
        if teacher is not None:
            from segmentation_teacher import speech

            detector = lambda samples: speech(teacher, samples)  # noqa: E731
        segmentation_pool.label(options.work, detector)


def _answers(teacher: Any) -> Any:
    """What the teacher hears in windows of a sound; None without one."""
    if teacher is None:
        return None
    from segmentation_teacher import classes

    return lambda samples: classes(teacher, samples)


def train(options: argparse.Namespace) -> None:
    """Train for so many minutes, in all runs together; the rate falls with the time that has passed."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    network = Segmentation()
    if options.begin is not None:  # what normalises has been folded into what is normalised; it stays out of the way
        begin(network, options.begin)
        for norm in [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm1d)]:
            norm.eval()
    network = network.to(device)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=0.01)
    step, spent = 0, 0.0
    if (last := options.work / "last.pt").exists():
        state = torch.load(last, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]
    log.info("%d parameters, from step %d, %.0f s", sum(p.numel() for p in network.parameters()), step, spent)
    scenes, rng, table = (
        Scenes(options.work / "scenes"),
        np.random.default_rng([options.seed, step]),
        permuted_classes(),
    )
    table = table.to(device)
    budget, losses, saved = options.minutes * 60, [], time.monotonic()
    while spent < budget:
        started = time.monotonic()
        if step % 50 == 0 or not scenes.features:
            scenes.refresh()
            if not scenes.features:
                time.sleep(5)
                continue
        rows, targets = (
            torch.from_numpy(array).to(device)
            for array in scenes.batch(rng, options.batch, options.trust, options.added)
        )
        for group in optimizer.param_groups:
            group["lr"] = (
                options.rate * min(1, (step + 1) / 100) * (0.01 + 0.99 * (1 + math.cos(math.pi * spent / budget)) / 2)
            )
        with torch.autocast(device.type, torch.bfloat16):
            log_probabilities = network(rows)
        cost = loss(log_probabilities, targets, table, WEIGHT)
        optimizer.zero_grad()
        cost.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        average.update_parameters(network)
        losses.append(cost.item())
        step += 1
        spent += time.monotonic() - started
        if step % 25 == 0:
            log.info(
                "step %d, %.0f of %.0f s, loss %.4f, %d windows",
                step,
                spent,
                budget,
                np.mean(losses),
                len(scenes.features),
            )
            losses = []
        if time.monotonic() - saved > 120 or spent >= budget:
            saved = time.monotonic()
            state = {"network": network.state_dict(), "average": average.state_dict()}
            state |= {"optimizer": optimizer.state_dict(), "step": step, "spent": spent}
            torch.save(state, part := last.with_suffix(".part"))
            part.rename(last)


def export(checkpoint: Path, path: Path) -> None:
    """Write the averaged network as ONNX: features (batch, frames, 80) to posteriors (batch, frames / 2, 7)."""
    network = Segmentation()
    average = torch.optim.swa_utils.AveragedModel(network)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    average.load_state_dict(state["average"])
    network = average.module.eval()
    names = {"features": {0: "batch", 1: "frames"}, "posteriors": {0: "batch", 1: "half_frames"}}
    example = torch.randn(2, 25 * STRIDE, NUM_BINS)
    torch.onnx.export(
        Posteriors(network).eval(),
        (example,),
        str(path),
        input_names=["features"],
        output_names=["posteriors"],
        dynamic_axes=names,
        opset_version=17,
        dynamo=False,
    )
    log.info("%s", json.dumps({"file": str(path), "step": state["step"], "bytes": path.stat().st_size}))


if __name__ == "__main__":
    main()
