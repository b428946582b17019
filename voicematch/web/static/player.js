// One player for the page. Anything with data-play starts it; the transcript and the lanes follow the sound.
"use strict";
{
  const RATES = [1, 1.25, 1.5, 2, 0.75];
  const FAR_OFF = 2; // s between where a sound was to begin and where it does
  const HANDS_OFF = 4000; // ms after a reader scrolls in which the page does not scroll by itself

  const sound = new Audio();
  sound.preload = "metadata";
  window.voicematchPlayer = sound;
  let bar = null;
  let playing = null; // the link that was pressed last
  let stopAt = Infinity;
  let length = 0; // of the episode, from the page until the sound itself says
  let touched = 0;
  let wanted = null; // second that was asked for and is not reached yet

  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds || 0));
    const pad = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
    return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
  };

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

  const part = (name) => bar.querySelector(`[data-part="${name}"]`);

  const show = () => {
    if (bar) return;
    bar = document.createElement("section");
    bar.className = "player";
    bar.setAttribute("aria-label", "Player");
    bar.innerHTML = `<div class="player-in">
      <button type="button" class="disc" data-part="toggle" aria-label="Play"><svg class="play" viewBox="0 0 16 16" aria-hidden="true"><path d="M4 2v12l10-6z"/></svg><svg class="pause" viewBox="0 0 16 16" aria-hidden="true"><path d="M3 2h4v12H3zM9 2h4v12H9z"/></svg></button>
      <div class="what"><a data-part="title"></a><span data-part="by"></span></div>
      <span class="num" data-part="now"></span>
      <input type="range" min="0" max="1" step="0.1" value="0" data-part="seek" aria-label="Where in the sound">
      <button type="button" class="button rate" data-part="rate" aria-label="Speed: 1 times">1×</button>
      <button type="button" class="button close" data-part="close">Close</button>
    </div>`;
    document.body.append(bar);
    document.body.classList.add("playing");
    part("toggle").addEventListener("click", toggle);
    part("seek").addEventListener("input", (event) => seek(Number(event.target.value)));
    part("rate").addEventListener("click", () => setRate(RATES[(RATES.indexOf(rate()) + 1) % RATES.length]));
    setRate(rate());
    part("close").addEventListener("click", () => {
      sound.pause();
      bar.remove();
      bar = null;
      document.body.classList.remove("playing");
      document.getElementById("main").focus();
    });
  };

  // A new sound would begin at the default speed, so that is what is set; and kept, for the next page.
  const rate = () => {
    const kept = Number(remembered("voicematch-rate"));
    return RATES.includes(kept) ? kept : 1;
  };

  const setRate = (speed) => {
    remember("voicematch-rate", String(speed));
    sound.defaultPlaybackRate = sound.playbackRate = speed;
    part("rate").textContent = `${speed}×`;
    part("rate").setAttribute("aria-label", `Speed: ${speed} times`);
  };

  const load = (address) => {
    const whole = new URL(address, location.href).href;
    if (sound.src !== whole) {
      sound.src = whole;
      sound.playbackRate = rate();
      length = Number(document.querySelector("[data-duration]")?.dataset.duration ?? 0);
    }
    show();
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = null;
  };

  const describe = (title, by, page) => {
    part("title").textContent = title;
    if (page) part("title").href = page;
    else part("title").removeAttribute("href");
    part("by").textContent = by;
    if ("mediaSession" in navigator) navigator.mediaSession.metadata = new MediaMetadata({ title, artist: by });
  };

  const start = () =>
    sound.play().catch((error) => {
      if (error.name === "NotAllowedError") part("by").textContent = "Press play to listen";
    });

  const toggle = () => (sound.paused ? start() : sound.pause());

  const seek = (seconds) => {
    stopAt = Infinity;
    wanted = Math.max(0, seconds);
    sound.currentTime = wanted;
    follow();
  };

  // A host that cannot send a part of a file sends it from its beginning: that is said, not passed over.
  const checkPlace = () => {
    if (wanted === null || !bar) return;
    if (sound.currentTime >= wanted - FAR_OFF) {
      wanted = null;
      return;
    }
    if (sound.seeking || sound.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    const text = `The host of this sound cannot begin at ${clock(wanted)}; it plays from ${clock(sound.currentTime)}`;
    part("by").textContent = text;
    document.getElementById("said-aloud").textContent = text;
    wanted = null;
  };

  const mark = (link) => {
    playing?.classList.remove("now", "playing-this");
    playing = link;
  };

  const playFrom = (seconds) => {
    const episode = document.querySelector(".episode");
    load(episode.dataset.audio);
    mark(null);
    describe(episode.dataset.title, "", "");
    seek(seconds);
    start();
  };

  // -- what is pressed

  document.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("[data-play]");
    if (link) {
      event.preventDefault();
      if (link === playing && !sound.ended) return void toggle();
      if ("resume" in link.dataset) {
        const loaded = sound.src === new URL(link.dataset.play, location.href).href;
        return void (loaded ? toggle() : playFrom(hashTime() ?? 0));
      }
      load(link.dataset.play);
      mark(link);
      describe(link.dataset.title, link.dataset.by, link.dataset.page ?? "");
      seek(Number(link.dataset.start));
      stopAt = Number(link.dataset.end ?? Infinity);
      return void start();
    }
    const line = event.target.closest(".line.seekable");
    if (line && String(getSelection()) === "") return void playFrom(Number(line.dataset.start));
    const lanes = event.target.closest("#lanes");
    const lane = lanes?.querySelector("[data-lane]");
    if (lane && !event.target.closest("a")) {
      const box = lane.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      if (share >= 0 && share <= 1) playFrom(share * Number(document.querySelector(".episode").dataset.duration));
    }
  });

  document.addEventListener("keydown", (event) => {
    if (document.documentElement.classList.contains("keyless")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, select, textarea, .chart")) return;
    if (event.key === " " && !event.target.closest("button, a, summary")) {
      const first = document.querySelector("[data-resume]");
      if (!bar && !first) return;
      if (bar) toggle();
      else first.click();
    } else if (bar && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      seek(sound.currentTime + (event.key === "ArrowLeft" ? -5 : 5));
    } else return;
    event.preventDefault();
  });

  // -- what follows the sound

  const current = (lines, seconds) => {
    let [low, high] = [0, lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (Number(lines[middle].dataset.start) <= seconds) low = middle + 1;
      else high = middle;
    }
    return lines[low - 1] ?? null;
  };

  const isEpisode = () => {
    const address = document.querySelector(".episode")?.dataset.audio;
    return Boolean(address) && sound.src === new URL(address, location.href).href;
  };

  const followTranscript = () => {
    const said = document.getElementById("said");
    if (!said) return;
    const line = current(said.getElementsByClassName("line"), sound.currentTime);
    const before = said.querySelector(".line.now");
    if (line === before) return;
    before?.classList.remove("now");
    if (!line) return;
    line.classList.add("now");
    part("by").textContent = line.closest("li").querySelector(".who").textContent;
    const box = line.getBoundingClientRect();
    const inSight = box.top > 80 && box.bottom < innerHeight - 120;
    if (sound.paused || inSight || !document.getElementById("follow").checked) return;
    if (performance.now() - touched < HANDS_OFF) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    line.scrollIntoView({ block: "center", behavior: calm ? "auto" : "smooth" });
  };

  const followLanes = () => {
    const lanes = document.getElementById("lanes");
    const lane = lanes?.querySelector("[data-lane]");
    if (!lane) return;
    let head = lanes.querySelector(".playhead");
    if (!head) {
      head = document.createElement("li");
      head.className = "playhead";
      head.setAttribute("aria-hidden", "true");
      lanes.append(head);
    }
    const share = sound.currentTime / Number(document.querySelector(".episode").dataset.duration);
    const [box, outer] = [lane.getBoundingClientRect(), lanes.getBoundingClientRect()];
    head.style.left = `${box.left - outer.left + Math.min(1, share) * box.width}px`;
  };

  const follow = () => {
    if (!bar) return;
    const end = Number.isFinite(sound.duration) ? sound.duration : length;
    part("now").textContent = end ? `${clock(sound.currentTime)} / ${clock(end)}` : clock(sound.currentTime);
    part("seek").max = end || 1;
    part("seek").value = sound.currentTime;
    part("seek").setAttribute("aria-valuetext", `${clock(sound.currentTime)} of ${clock(end)}`);
    if (isEpisode()) {
      followLanes();
      followTranscript();
    }
  };

  const showState = () => {
    if (!bar) return;
    bar.classList.toggle("playing-this", !sound.paused);
    part("toggle").setAttribute("aria-label", sound.paused ? "Play" : "Pause");
    playing?.classList.toggle("playing-this", !sound.paused);
    playing?.classList.toggle("now", !sound.paused);
    const whole = document.querySelector("[data-resume]");
    if (whole && isEpisode()) whole.textContent = sound.paused ? "Play episode" : "Pause";
  };

  sound.addEventListener("timeupdate", () => {
    checkPlace();
    if (sound.currentTime >= stopAt) {
      sound.pause();
      stopAt = Infinity;
      mark(null);
    }
    follow();
  });
  for (const name of ["play", "pause", "ended"]) sound.addEventListener(name, showState);
  sound.addEventListener("durationchange", follow);
  sound.addEventListener("error", () => {
    if (bar) part("by").textContent = "The sound of this is not at hand";
    document.getElementById("said-aloud").textContent = "The sound of this is not at hand";
  });
  for (const name of ["wheel", "touchmove"]) {
    addEventListener(name, () => (touched = performance.now()), { passive: true });
  }
  addEventListener("resize", follow);
  document.addEventListener("renewed", () => {
    if (playing && !document.contains(playing)) {
      const same = [...document.querySelectorAll("[data-play]")].find(
        (link) => link.dataset.play === playing.dataset.play && link.dataset.start === playing.dataset.start,
      );
      if (!same && stopAt < Infinity) sound.pause(); // the voice that was judged is off the page
      playing = same ?? null;
    }
    follow();
    showState();
  });

  // -- an address that names a time: #t=63.5

  const hashTime = () => {
    const found = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    return found ? Number(found[1]) : null;
  };

  const goToTime = () => {
    const seconds = hashTime();
    const said = document.getElementById("said");
    if (seconds === null || !said) return;
    said.querySelector(".target")?.classList.remove("target");
    const line = current(said.getElementsByClassName("line"), seconds + 0.05);
    line?.classList.add("target");
    line?.scrollIntoView({ block: "center" });
    if (bar && isEpisode()) seek(seconds);
  };
  addEventListener("hashchange", goToTime);
  goToTime();
}
