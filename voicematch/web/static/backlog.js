// The backlog as it is now: its two parts are fetched again, often while something runs, rarely otherwise.
"use strict";
{
  const OFTEN = 2000; // ms
  const RARELY = 15000;

  const renew = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.ok) {
      const renewed = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["states", "jobs"]) {
        const [old, now] = [document.getElementById(id), renewed.getElementById(id)];
        const untouched = !old.contains(document.activeElement) && String(getSelection()) === "";
        if (now && untouched && old.outerHTML !== now.outerHTML) old.replaceWith(now);
      }
    }
    wait();
  };

  const wait = () => {
    const active = Number(document.getElementById("states").dataset.active) > 0;
    setTimeout(() => (document.hidden ? wait() : renew()), active ? OFTEN : RARELY);
  };

  wait();
}
