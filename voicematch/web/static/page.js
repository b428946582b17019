// What every page has: single keys, the help, actions without leaving the page. Read without any of it, a page is whole.
"use strict";
{
  const MOST_WARNINGS = 2; // shown after a change; the rest say the same of other episodes
  const root = document.documentElement;
  root.classList.add("js");

  const reveal = () => document.querySelectorAll(".js-only").forEach((element) => (element.hidden = false));

  // -- single keys; a reader who steers by voice can turn them off, and they are then off on every page

  const help = document.getElementById("help");
  const keysOn = document.getElementById("keys-on");
  const remembered = (key) => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage is refused in some private windows
    }
  };
  const remember = (key, value) => {
    try {
      localStorage.setItem(key, value);
    } catch {
      // then it holds for this page only
    }
  };
  const setKeys = (on) => {
    keysOn.checked = on;
    root.classList.toggle("keyless", !on);
  };
  setKeys(remembered("voicematch-keys") !== "off");
  keysOn.addEventListener("change", () => {
    setKeys(keysOn.checked);
    remember("voicematch-keys", keysOn.checked ? "on" : "off");
  });

  const isField = (element) => element.matches("input:not([type=checkbox], [type=radio], [type=range]), select, textarea");

  const shown = (selector) =>
    [document.querySelector(`.case.current ${selector}`), ...document.querySelectorAll(`main ${selector}`)].find(
      (element) => element && (element.closest(".case.current") || !element.closest(".case")),
    );

  document.addEventListener("keydown", (event) => {
    const field = isField(event.target);
    if (event.key === "Escape" && field) {
      event.target.blur();
      event.target.closest(".case")?.focus();
      return;
    }
    if (field || help.open || event.ctrlKey || event.metaKey || event.altKey || !keysOn.checked) return;
    if (event.key === "?") help.showModal();
    else if (event.key === "/") document.querySelector("main [type=search], .find [type=search]")?.focus();
    else {
      const key = CSS.escape(event.key);
      const toFocus = shown(`[data-focus="${key}"]`);
      const toPress = shown(`[data-key="${key}"]`);
      if (!toFocus && !toPress) return;
      toFocus?.focus();
      if (!toFocus) toPress.click();
    }
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) help.showModal();
  });

  // -- actions: send the form, then show the page as it is now

  const say = (text) => (document.getElementById("said-aloud").textContent = text);

  const renew = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) {
      location.assign(document.querySelector(".nav [aria-current]").href); // what this page showed is no more
      return;
    }
    const renewed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const opened = [...document.querySelectorAll("main details[open][id]")].map((details) => details.id);
    document.querySelector(".nav").replaceWith(renewed.querySelector(".nav"));
    document.getElementById("main").replaceChildren(...renewed.getElementById("main").childNodes);
    opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    reveal();
    document.dispatchEvent(new Event("renewed"));
  };

  // The page's own notice says what was done; what came of it is only in the answer.
  const tell = (done) => {
    const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
    const came = done.num_changes
      ? `${count(done.num_changes, "voice")} in ${count(done.num_episodes, "episode")} changed`
      : "No voice changed its name";
    const list = document.createElement("ul");
    const rest = done.warnings.length - MOST_WARNINGS;
    const shown = rest > 1 ? [...done.warnings.slice(0, MOST_WARNINGS), `and ${rest} more like this`] : done.warnings;
    for (const text of [came, ...shown]) {
      const entry = document.createElement("li");
      entry.textContent = text;
      list.append(entry);
    }
    document.querySelector("main .notice > span")?.append(list);
    say([done.text, came, ...shown].join(". "));
  };

  const complain = (form, text) => {
    form.querySelector(".error")?.remove();
    const line = document.createElement("p");
    line.className = "error";
    line.setAttribute("role", "alert");
    line.textContent = text;
    form.append(line);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-act]")) return;
    event.preventDefault();
    const buttons = form.querySelectorAll("button");
    const body = new URLSearchParams(new FormData(form));
    buttons.forEach((button) => (button.disabled = true));
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" } });
      const done = await answer.json();
      if (!answer.ok) throw new Error(done.error);
      await renew();
      tell(done);
    } catch (error) {
      complain(form, error instanceof TypeError ? "voicematch does not answer; is it still running?" : error.message);
      buttons.forEach((button) => (button.disabled = false));
    }
  });

  // -- lists of a static site, filtered as one types

  document.addEventListener("input", (event) => {
    const list = document.getElementById(event.target.dataset.filter);
    if (!list) return;
    const wanted = event.target.value.toLowerCase();
    for (const entry of list.children) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
  });

  reveal();
  const tab = document.querySelector(".nav [aria-current]");
  if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - 60; // on a telephone the tabs are wider than the page
}
