// Search on a static site: words → lines, from files made with the site; only the files of the words asked for are read.
"use strict";
{
  const MOST = 100; // lines shown
  const form = document.getElementById("search");
  const found = document.getElementById("found");
  const index = new URL(form.dataset.index, location.href);
  const read = async (path) => {
    const answer = await fetch(new URL(path, index));
    return answer.ok ? answer.json() : null;
  };

  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = (text) => fold(text).match(/[\p{L}\p{N}_]+/gu) ?? [];
  const shard = (word) =>
    /^[a-z0-9]([a-z0-9]|$)/.test(word) ? word.slice(0, 2) : "u" + word.codePointAt(0).toString(16);
  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(seconds < 3600 ? 14 : 11, 19).replace(/^0/, "");

  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const day = (date) => {
    const found = /^(\d{4})-(\d{2})-(\d{2})/.exec(date ?? "");
    return found ? `${Number(found[3])} ${MONTHS[found[2] - 1]} ${found[1]}` : (date ?? "");
  };
  const voice = (label) => label.replace(/^SPEAKER_(\d+)$/, (_, number) => `Voice ${Number(number) + 1}`);

  const make = (tag, name, ...inside) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...inside);
    return element;
  };

  const link = (name, address, ...inside) => {
    const element = make("a", name, ...inside);
    element.href = address;
    return element;
  };

  // Lines in which every word stands, as {episode number: [line numbers]}.
  const linesWith = async (wanted) => {
    let lines = null;
    for (const word of new Set(wanted)) {
      const places = (await read(`words/${shard(word)}.json`))?.[word] ?? {};
      const kept = {};
      for (const [episode, numbers] of Object.entries(places)) {
        const before = lines && new Set(lines[episode] ?? []);
        const both = before ? numbers.filter((number) => before.has(number)) : numbers;
        if (both.length) kept[episode] = both;
      }
      lines = kept;
    }
    return lines ?? {};
  };

  const marked = (text, wanted) =>
    text.split(/([\p{L}\p{M}\p{N}_]+)/u).map((piece) => (wanted.includes(fold(piece)) ? make("mark", "", piece) : piece));

  const showLine = (episode, page, [start, end, speaker, text], wanted) => {
    const address = `${page}#t=${start}`;
    const time = episode.audio ? link("clock", `${episode.audio}#t=${start}`, clock(start)) : link("", address, clock(start));
    if (episode.audio) {
      Object.assign(time.dataset, { play: episode.audio, start, title: episode.title, by: speaker, page: address });
    }
    const said = make("span", "words", make("span", "who", voice(speaker)), ...marked(text, wanted), " ");
    said.append(link("small nowrap read-on", address, "Read on"));
    return make("li", "", time, said);
  };

  const showEpisode = async (episode, numbers, by, wanted) => {
    const lines = await read(`lines/${episode.key}.json`);
    const page = new URL(`../${episode.url}`, index).href;
    const list = make("ol", "said detail");
    for (const number of numbers) {
      const line = lines?.[number];
      if (line && (!by || fold(line[2]) === by)) list.append(showLine(episode, page, line, wanted));
    }
    const title = make("h2", "", link("plain", page, episode.title));
    return list.children.length ? make("li", "row", make("span", "when", day(episode.date)), title, list) : null;
  };

  const search = async (query, speaker) => {
    const wanted = words(query);
    const everything = await read("index.json");
    for (const person of everything.speakers) {
      const option = document.createElement("option");
      option.value = person.name;
      document.getElementById("names").append(option);
    }
    if (wanted.length === 0) return;
    const people = everything.speakers.filter((person) => wanted.every((word) => words(person.name).includes(word)));
    const places = Object.entries(await linesWith(wanted)).map(([number, lines]) => [everything.episodes[number], lines]);
    places.sort(([one], [other]) => (other.date ?? "").localeCompare(one.date ?? ""));
    const rows = make("ol", "rows");
    let shown = 0;
    for (const [episode, numbers] of places) {
      if (shown >= MOST) break;
      const row = await showEpisode(episode, numbers.slice(0, MOST - shown), fold(speaker), wanted);
      shown += row?.querySelectorAll(".said > li").length ?? 0;
      if (row) rows.append(row);
    }
    const links = people.map((one) => make("li", "", link("", new URL(`../${one.url}`, index).href, one.name)));
    const count = shown === 0 ? "Nobody said that." : shown >= MOST ? `The first ${shown} lines` : shown === 1 ? "1 line" : `${shown} lines`;
    found.replaceChildren(...(links.length ? [make("ul", "links", ...links)] : []), make("p", "quiet count more", count), rows);
  };

  const asked = new URLSearchParams(location.search);
  const query = asked.get("q") ?? "";
  document.getElementById("q").value = query;
  document.getElementById("speaker").value = asked.get("speaker") ?? "";
  search(query, asked.get("speaker") ?? "").catch(() =>
    found.replaceChildren(make("p", "notice bad", "The index of these pages could not be read. Opened as files, without a web server, they cannot be searched.")),
  );
}
