// Voices and matches one after the other: j and k walk, the other keys press what the case in front offers (page.js).
"use strict";
{
  let at = 0;

  const cases = () => [...document.querySelectorAll("#cases .case")];

  const describe = (suggestion) => {
    const [entry, text, name, reason] = ["li", "span", "button", "span"].map((tag) => document.createElement(tag));
    name.type = "button";
    name.className = "button small suggest";
    name.dataset.suggest = suggestion.name;
    name.textContent = suggestion.name;
    reason.className = "quiet";
    reason.textContent = suggestion.reason;
    text.append(name, " ", reason);
    if (suggestion.quote) {
      const quote = document.createElement("blockquote");
      quote.textContent = suggestion.quote;
      text.append(quote);
    }
    entry.append(text);
    return entry;
  };

  // Suggestions are read out of transcripts, which takes a moment: asked for one voice after the other, and once.
  // Not while something is done (page.js): it may be the end of the voice that is asked about.
  let asking = new AbortController();

  const suggest = async (place) => {
    if ("loaded" in place.dataset || !place.isConnected) return;
    const { signal } = asking;
    const headers = { Accept: "application/json" };
    const read = (answer) => (answer.ok ? answer.json() : null);
    const found = await fetch(place.dataset.suggestions, { headers, signal }).then(read).catch(() => null);
    if (signal.aborted) return;
    place.dataset.loaded = "";
    if (!found?.suggestions.length) return;
    const list = document.createElement("ul");
    list.className = "why";
    list.append(...found.suggestions.map(describe));
    place.replaceChildren(list);
  };

  const select = (to, focus) => {
    const all = cases();
    if (all.length === 0) return;
    at = Math.min(Math.max(0, to), all.length - 1);
    all.forEach((one, idx) => one.classList.toggle("current", idx === at));
    if (focus) {
      all[at].focus({ preventScroll: true });
      all[at].scrollIntoView({ block: "nearest" });
    }
  };

  document.addEventListener("keydown", (event) => {
    if (document.documentElement.classList.contains("keyless") || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      select(at + (event.key === "j" ? 1 : -1), true);
    }
  });

  document.addEventListener("focusin", (event) => {
    const idx = cases().indexOf(event.target.closest(".case"));
    if (idx >= 0 && idx !== at) select(idx, false);
  });

  const suggestAll = async () => {
    const { signal } = (asking = new AbortController());
    for (const place of document.querySelectorAll("#cases [data-suggestions]")) {
      if (!signal.aborted) await suggest(place);
    }
  };

  document.addEventListener("acting", () => asking.abort());
  document.addEventListener("acted", suggestAll);
  document.addEventListener("renewed", () => select(at, true));
  select(0, false);
  suggestAll();
}
