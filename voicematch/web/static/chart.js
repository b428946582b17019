// Appearances over time: a note beside the bar under the pointer, one stop of the tab key, arrows along the bars.
"use strict";
for (const figure of document.querySelectorAll("[data-chart]")) {
  const bars = [...figure.querySelectorAll("a")];
  if (bars.length === 0) continue;
  const plot = figure.querySelector(".plot");
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // the link's own label says the same
  figure.append(tip);
  let near = null;

  bars.forEach((bar, idx) => {
    bar.querySelector("title").remove(); // the note takes its place
    bar.setAttribute("tabindex", idx === bars.length - 1 ? "0" : "-1");
  });

  const middle = (bar) => {
    const box = bar.getBoundingClientRect();
    return box.left + box.width / 2;
  };

  const point = (bar) => {
    near?.classList.remove("near");
    near = bar;
    tip.hidden = !bar;
    if (!bar) return;
    bar.classList.add("near");
    const [title, much] = [document.createElement("strong"), document.createElement("span")];
    title.textContent = bar.dataset.what;
    much.textContent = `${bar.dataset.when} · ${bar.dataset.much}`;
    tip.replaceChildren(title, much);
    const [outer, own, box] = [figure.getBoundingClientRect(), tip.getBoundingClientRect(), bar.getBoundingClientRect()];
    const left = Math.min(Math.max(0, middle(bar) - outer.left - own.width / 2), outer.width - own.width);
    tip.style.left = `${left}px`;
    tip.style.top = `${Math.max(-own.height - 6, box.top - outer.top - own.height - 8)}px`;
  };

  const nearest = (x) => bars.reduce((best, bar) => (Math.abs(middle(bar) - x) < Math.abs(middle(best) - x) ? bar : best));

  plot.parentElement.addEventListener("pointermove", (event) => {
    const bar = nearest(event.clientX);
    point(Math.abs(middle(bar) - event.clientX) < 24 ? bar : null);
  });
  plot.parentElement.addEventListener("pointerleave", () => point(null));
  plot.parentElement.addEventListener("click", (event) => {
    if (near && !event.target.closest("a")) location.assign(near.getAttribute("href"));
  });

  figure.addEventListener("focusin", (event) => point(event.target.closest("a")));
  figure.addEventListener("focusout", () => point(null));
  figure.addEventListener("keydown", (event) => {
    const at = bars.indexOf(event.target.closest("a"));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = bars[Math.min(Math.max(0, to), bars.length - 1)];
    bars[at].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
}
