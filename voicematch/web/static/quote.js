// A line to share: copied, or drawn as a picture, here in the browser, in the fonts that it has for any script.
"use strict";
{
  const MARGIN = 90;
  const [WIDTH, HEIGHT] = [1200, 630];
  const [LARGEST, SMALLEST] = [60, 26]; // pixels of the letters

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl C"; // it is marked; some browsers let nobody else copy it
    }
    document.getElementById("said-aloud").textContent = button.textContent;
  });

  // Lines that fit the width; scripts without spaces are broken anywhere.
  const wrapped = (pen, text, width) => {
    const lines = [""];
    for (const piece of text.split(/(?<=\s)|(?<=[\u3000-\u9fff\uac00-\ud7af])/u)) {
      if (lines.at(-1) && pen.measureText(lines.at(-1) + piece.trimEnd()).width > width) lines.push("");
      lines[lines.length - 1] += piece;
    }
    return lines;
  };

  const draw = (card) => {
    const pen = card.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    pen.fillStyle = color("--paper");
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.fillStyle = card.dataset.color ? color(`--c${card.dataset.color}`) : color("--accent");
    pen.fillRect(0, 0, 20, HEIGHT);
    let [size, lines] = [LARGEST, []];
    for (; size >= SMALLEST; size -= 2) {
      pen.font = `${size}px ${color("--serif")}`;
      lines = wrapped(pen, `“${card.dataset.text}”`, WIDTH - 2 * MARGIN);
      if (lines.length * size * 1.35 < HEIGHT - 260) break;
    }
    pen.fillStyle = color("--ink");
    lines.forEach((line, idx) => pen.fillText(line.trimEnd(), MARGIN, MARGIN + size + idx * size * 1.35));
    pen.font = `600 32px ${color("--sans")}`;
    pen.fillText(card.dataset.by, MARGIN, HEIGHT - 120, WIDTH - 2 * MARGIN);
    pen.font = `26px ${color("--sans")}`;
    pen.fillStyle = color("--quiet");
    pen.fillText(card.dataset.source, MARGIN, HEIGHT - 75, WIDTH - 2 * MARGIN);
    card.toBlob((picture) => (document.getElementById("save-card").href = URL.createObjectURL(picture)), "image/png");
  };

  draw(document.getElementById("card"));
}
