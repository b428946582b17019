// Appearances over time: a note beside the bar under the pointer, one stop of the tab key, arrows along the bars.
"use strict";
{
  const REACH = 24; // pixels from a bar at which the pointer still means it

  const walk = (figure) => {
    const drawing = figure.querySelector("svg");
    const bars = [...figure.querySelectorAll("a")];
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    tip.setAttribute("aria-hidden", "true"); // the link's own label says the same
    figure.append(tip);
    let near = null;

    bars.forEach((bar, idx) => {
      const title = bar.querySelector("title");
      bar.setAttribute("aria-label", title.textContent);
      title.remove(); // or the browser shows it beside the note
      bar.setAttribute("tabindex", idx === bars.length - 1 ? "0" : "-1");
    });

    const box = (bar) => [...bar.querySelectorAll("rect")].map((rect) => rect.getBoundingClientRect()).find((one) => one.width);
    const middle = (bar) => box(bar).left + box(bar).width / 2;

    const point = (bar) => {
      near?.classList.remove("near");
      near = bar;
      tip.hidden = !bar;
      if (!bar) return;
      bar.classList.add("near");
      const [title, much] = [document.createElement("strong"), document.createElement("span")];
      [title.textContent, much.textContent] = bar.getAttribute("aria-label").split("\n");
      tip.replaceChildren(title, much);
      const [outer, own] = [figure.getBoundingClientRect(), tip.getBoundingClientRect()];
      const left = middle(bar) - outer.left - own.width / 2;
      tip.style.left = `${Math.min(Math.max(0, left), outer.width - own.width)}px`;
      tip.style.top = `${box(bar).top - outer.top - own.height - 8}px`;
    };

    const nearest = (x) => {
      const distances = bars.map((bar) => Math.abs(middle(bar) - x));
      const least = Math.min(...distances);
      return least < REACH ? bars[distances.indexOf(least)] : null;
    };

    drawing.addEventListener("pointermove", (event) => point(nearest(event.clientX)));
    drawing.addEventListener("pointerleave", () => point(null));
    drawing.addEventListener("click", (event) => {
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
  };

  const look = () => {
    const figure = document.getElementById("chart");
    if (figure) walk(figure);
  };
  document.addEventListener("renewed", look);
  look();
}
