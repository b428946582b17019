// Marking lines: with Shift all between, and how many are marked.
"use strict";
{
  let last = null;

  const boxes = () => [...document.querySelectorAll("#fixing input[name=lines]")];

  const count = () => {
    const marked = boxes().filter((box) => box.checked).length;
    const place = document.querySelector("#fixing [data-count]");
    if (!place) return;
    place.dataset.before ??= place.textContent;
    place.textContent = marked ? `${marked} line${marked === 1 ? "" : "s"} marked` : place.dataset.before;
  };

  document.addEventListener("click", (event) => {
    const box = event.target.closest("#fixing input[name=lines]");
    if (!box) return;
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((one, other) => one - other);
    if (event.shiftKey && from >= 0) for (const one of all.slice(from, to + 1)) one.checked = box.checked;
    last = box;
    count();
  });

  // The words between the first and the last that are marked are marked too.
  document.addEventListener("change", (event) => {
    const words = event.target.closest(".words");
    if (!words) return;
    const all = [...words.querySelectorAll("input")];
    const marked = all.filter((word) => word.checked);
    if (event.target.checked) {
      for (const word of all.slice(all.indexOf(marked[0]), all.indexOf(marked.at(-1)) + 1)) word.checked = true;
    }
  });

  document.addEventListener("renewed", () => {
    last = null;
    count();
  });
  document.getElementById("one")?.scrollIntoView({ block: "center" });
  count();
}
