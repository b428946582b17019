// What every page has: single keys, the help, actions without leaving the page. Read without any of it, a page is whole.
"use strict";
{
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
    [document.querySelector(`#notice ${selector}`), document.querySelector(`.case.current ${selector}`), ...document.querySelectorAll(`main ${selector}`)].find(
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
      (toFocus ?? toPress).closest("details:not([open])")?.setAttribute("open", "");
      toFocus?.focus();
      if (!toFocus) toPress.click();
    }
    event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-help]")) help.showModal();
  });

  // -- actions: send the form, then show the page as it is now, with what was done told once

  const say = (text) => (document.getElementById("said-aloud").textContent = text);

  const told = (address, done) => {
    const there = new URL(address, location.href);
    there.searchParams.set("done", done.notice);
    return there.href;
  };

  const renew = async (done) => {
    const answer = await fetch(told(location.href, done), { headers: { Accept: "text/html" } });
    if (!answer.ok) {
      location.assign(told(done.go || document.querySelector(".nav a").href, done)); // what this page showed is no more
      return;
    }
    const renewed = new DOMParser().parseFromString(await answer.text(), "text/html");
    const opened = [...document.querySelectorAll("main details[open][id]")].map((details) => details.id);
    document.querySelector(".nav").replaceWith(renewed.querySelector(".nav"));
    document.getElementById("main").replaceChildren(...renewed.getElementById("main").childNodes);
    opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    reveal();
    document.dispatchEvent(new Event("renewed"));
    const notice = document.getElementById("notice");
    notice?.scrollIntoView({ block: "nearest" });
    say([...(notice?.querySelectorAll("p, summary, li:not(li li, :has(summary))") ?? [])].map((line) => line.textContent).join(". ") || done.text);
  };

  const complain = (form, text) => {
    form.querySelector(".error")?.remove();
    const line = document.createElement("p");
    line.className = "error";
    line.setAttribute("role", "alert");
    line.textContent = text;
    form.append(line);
  };

  // Asks whether that is meant, in a dialog of ours; true if so.
  const isMeant = (question, yes) =>
    new Promise((resolve) => {
      const dialog = document.getElementById("sure");
      dialog.querySelector("[data-part=question]").textContent = question;
      dialog.querySelector("[data-part=yes]").textContent = yes;
      dialog.returnValue = "";
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
      dialog.showModal();
    });

  const send = async (address, body) => {
    const answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" } });
    const done = await answer.json();
    if (done.question === undefined) {
      if (!answer.ok) throw new Error(done.error);
      return done;
    }
    if (!(await isMeant(done.question, done.yes))) return null;
    body.set("sure", "yes");
    return send(address, body);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-act]")) return;
    event.preventDefault();
    const buttons = [...form.querySelectorAll("button")];
    const data = new FormData(form, event.submitter);
    const body = form.enctype === "multipart/form-data" ? data : new URLSearchParams(data);
    form.querySelector(".error")?.remove();
    buttons.forEach((button) => (button.disabled = true));
    document.dispatchEvent(new Event("acting"));
    try {
      const done = await send(event.submitter?.getAttribute("formaction") ?? form.getAttribute("action"), body);
      if (done) await renew(done);
    } catch (error) {
      complain(form, error instanceof TypeError ? "voicematch does not answer; is it still running?" : error.message);
    }
    buttons.forEach((button) => (button.disabled = false));
    document.dispatchEvent(new Event("acted"));
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-dismiss]")) return;
    event.preventDefault();
    document.getElementById("notice")?.remove();
    document.getElementById("main").focus();
  });

  // A name that the text suggests goes into the field of its case.
  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-suggest]");
    if (!name) return;
    const field = name.closest(".case").querySelector("[data-focus=n], [data-takes-name]");
    field.value = name.dataset.suggest;
    field.focus();
  });

  // A notice is told once: an address that says to tell it is not to be kept.
  {
    const here = new URL(location.href);
    if (here.searchParams.has("done")) {
      here.searchParams.delete("done");
      history.replaceState(null, "", here);
    }
  }

  // -- lists of a static site, filtered as one types

  document.addEventListener("input", (event) => {
    const list = document.getElementById(event.target.dataset.filter);
    if (!list) return;
    const wanted = event.target.value.toLowerCase();
    for (const entry of list.children) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
  });

  reveal();
}
