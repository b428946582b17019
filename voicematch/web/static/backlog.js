// The queue as it is now, and files dropped on the page: its two parts are fetched again, often while something runs, rarely otherwise.
"use strict";
{
  const OFTEN = 2000; // ms
  const RARELY = 15000;

  const renew = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.ok) {
      const renewed = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector(".nav").replaceWith(renewed.querySelector(".nav"));
      for (const id of ["states", "jobs"]) {
        const [old, now] = [document.getElementById(id), renewed.getElementById(id)];
        const untouched = !old.contains(document.activeElement) && String(getSelection()) === "";
        if (now && untouched && old.outerHTML !== now.outerHTML) old.replaceWith(now);
      }
    }
    wait();
  };

  let timer = 0;
  const wait = () => {
    clearTimeout(timer);
    const active = Number(document.getElementById("states").dataset.active) > 0;
    timer = setTimeout(() => (document.hidden ? wait() : renew()), active ? OFTEN : RARELY);
  };

  wait();

  // -- files dropped on the page go into the field of files, and are sent as if they had been chosen there

  const field = () => document.getElementById("file");
  const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const mark = (on) => document.getElementById("add")?.classList.toggle("over", on);

  document.addEventListener("dragover", (event) => {
    if (!field() || !holdsFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) mark(false);
  });
  document.addEventListener("drop", (event) => {
    if (!field() || !holdsFiles(event)) return;
    event.preventDefault();
    mark(false);
    field().files = event.dataTransfer.files;
    field().form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    const button = event.target.matches("[data-upload]") && event.target.querySelector("button");
    if (button) button.textContent = "Sending …";
  });
  document.addEventListener("renewed", () => setTimeout(renew, 500));
}
