// The page's own behaviour: choosing, looking, listening, dropping, keys. Everything that comes
// from a file's title reaches the page as text (textContent), never as HTML.
(() => {
  if (window.anyfind) return;

  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) {
        node.setAttribute(name, value === true ? "" : value);
      }
    }
    node.append(...children.filter((child) => child !== null));
    return node;
  }

  // ---- waiting: a thin bar below the search box, seen only when an answer takes long ----
  let waiting = 0;
  function wait(on) {
    clearTimeout(waiting);
    document.body.classList.toggle("waiting", on);
    if (on) waiting = setTimeout(() => wait(false), 60000);
  }

  function say(text) {
    const old = one("#toast");
    if (old) old.remove();
    if (!text) return;
    const toast = make("div", { id: "toast", role: "alert" }, text);
    document.body.append(toast);
    setTimeout(() => toast.remove(), 9000);
  }

  function tab(name) {
    // where there is little room, the last of them are in a menu
    const buttons = all('#tabs button[role="tab"], #tabs .overflow-dropdown button');
    const button = buttons.find((b) => b.textContent.trim() === name);
    if (button && button.getAttribute("aria-selected") !== "true") button.click();
  }
  const inLibrary = () => {
    const shelf = one("#library");
    return Boolean(shelf && shelf.offsetParent);
  };

  // ---- uploads ----
  function upload(file, drop = "", progress = () => {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const address = `upload?drop=${drop}&name=${encodeURIComponent(file.name)}`;
      request.open("POST", address);
      request.setRequestHeader("X-Anyfind", "upload");
      request.responseType = "json";
      request.upload.onprogress = (event) => progress(event.loaded / (event.total || 1));
      request.onload = () => {
        if (request.status === 200) resolve(request.response.token);
        else reject(new Error(request.response?.detail || `${file.name} could not be sent.`));
      };
      request.onerror = () =>
        reject(new Error(`${file.name} could not be sent: Anyfind does not answer, or refused it.`));
      request.send(file);
    });
  }

  async function dropped(transfer) {
    const entries = [...(transfer.items || [])]
      .map((item) => item.webkitGetAsEntry?.())
      .filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
    const files = [];
    async function walk(entry) {
      if (entry.name.startsWith(".")) return;
      if (entry.isFile) {
        files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!batch.length) return;
        for (const child of batch) await walk(child);
      }
    }
    for (const entry of entries) await walk(entry);
    return files;
  }

  // ---- search: the query is an object that the server answers and the address keeps ----
  const EMPTY = { parts: [], chosen: {}, exact: true };
  let asked = EMPTY; // what the results answer
  let sent = EMPTY; // what was asked last, whose answer may be on its way
  let send = () => {}; // asks a query: send(query, {replace})
  let combining = false; // whether the reader wants to put words together

  const plus = (part) => send({ ...asked, parts: [...asked.parts, part] });
  const ask = (what) => send({ ...asked, parts: [{ by: "text", what, weight: 1 }] });
  const similar = (id) => {
    tab("Search");
    window.scrollTo({ top: 0 });
    send({ ...asked, parts: [{ by: "item", what: id, weight: 1 }] });
  };
  const likeAll = (ids) => {
    tab("Search");
    window.scrollTo({ top: 0 });
    send({ ...asked, parts: ids.map((what) => ({ by: "item", what, weight: 1 })) });
  };
  const steer = (id, weight) => {
    if (asked.parts.some((part) => part.by === "item" && part.what === id)) {
      say("This is part of the query already: change its weight above, or take it out.");
      return;
    }
    tab("Search");
    window.scrollTo({ top: 0 });
    plus({ by: "item", what: id, weight });
  };
  const byFile = async (file, added = false) => {
    if (!file) return;
    tab("Search");
    wait(true);
    try {
      const part = { by: "file", what: await upload(file), weight: 1 };
      if (added) plus(part);
      else send({ ...asked, parts: [part] });
    } catch (error) {
      wait(false);
      say(error.message);
    }
  };

  function box(element, trigger) {
    const input = one("#by-file-input", element);
    let added = false;
    one("#by-file", element).addEventListener("click", () => {
      added = false;
      input.click();
    });
    document.addEventListener("click", (event) => {
      if (!event.target.closest?.("[data-file]")) return;
      added = true;
      input.click();
    });
    one("#go", element).addEventListener("click", () => {
      wait(true);
      trigger("go", {});
    });
    input.addEventListener("change", () => {
      byFile(input.files[0], added);
      input.value = "";
      added = false;
    });
    document.addEventListener("keydown", (event) => {
      const target = event.target;
      if (event.key === "Enter" && target.closest?.("#q")) wait(true);
      if (event.key === "ArrowDown" && target.closest?.("#q")) {
        const first = one("#results .open");
        if (first) {
          event.preventDefault();
          first.focus();
        }
      }
      const writing = target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, dialog");
      if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        tab("Search");
        setTimeout(() => one("#q input")?.focus(), 0);
      }
    });
    document.addEventListener("change", (event) => {
      if (event.target.closest?.("#filters")) wait(true);
    });
  }

  // Words alone stand in the address as they are typed: to keep, to load again, to go back to.
  const isPlain = (query) =>
    query.exact && !Object.keys(query.chosen).length &&
    (!query.parts.length || (query.parts.length === 1 && query.parts[0].by === "text" && query.parts[0].weight === 1));
  const address = (query) => {
    if (!isPlain(query)) return `?query=${encodeURIComponent(JSON.stringify(query))}`;
    return query.parts.length ? `?q=${encodeURIComponent(query.parts[0].what)}` : location.pathname;
  };
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  function results(element, trigger, watch) {
    let replace = true; // the first answer is to the address itself
    send = (query, how = {}) => {
      wait(true);
      replace = Boolean(how.replace);
      sent = query;
      // A file may take long to read: searching by words does not wait for it.
      trigger(query.parts.some((part) => part.by === "file") ? "read" : "ask", { query });
    };
    const note = () => {
      const bar = one("[data-query]", element);
      if (!bar) return;
      asked = sent = JSON.parse(bar.dataset.query);
      one("#search")?.classList.toggle("asked", asked.parts.length > 0);
      fillFilter();
      const state = history.state?.query;
      if (state && same(state, asked)) {
        replace = false;
        return;
      }
      const depth = history.state?.depth || 0;
      if (replace) history.replaceState({ query: asked, depth }, "", address(asked));
      else history.pushState({ query: asked, depth: depth + 1 }, "", address(asked));
      replace = false;
    };
    watch("value", () => {
      wait(false);
      note();
    });
    window.addEventListener("popstate", () => {
      const typed = new URLSearchParams(location.search);
      const words = typed.get("q");
      let query = history.state?.query;
      if (!query && typed.get("query")) query = JSON.parse(typed.get("query"));
      query ||= { ...EMPTY, parts: words ? [{ by: "text", what: words, weight: 1 }] : [] };
      send(query, { replace: true });
    });
    const back = () => {
      if (history.state?.depth) history.back();
      else send({ ...EMPTY, parts: asked.parts.filter((part) => part.by === "text" && part.weight > 0).slice(0, 1) });
    };
    const addWords = (weight) => {
      const field = one("#add-words", element);
      const what = field?.value.trim();
      if (what) plus({ by: "text", what, weight });
      else field?.focus();
    };
    cards(element);
    element.addEventListener("click", (event) => {
      const target = event.target.closest(
        "[data-pick], [data-back], [data-tab], [data-jump], [data-drop], [data-weigh], [data-words], " +
          "[data-unfilter], [data-exact], [data-more], [data-steer]",
      );
      if (!target) return;
      const told = target.dataset;
      const at = Number(told.drop ?? told.weigh);
      if ("jump" in told) {
        all(".found section", element)[1]?.scrollIntoView({ behavior: "smooth" });
      } else if ("pick" in told) ask(told.pick);
      else if ("tab" in told) tab(told.tab);
      else if ("back" in told) back();
      else if ("drop" in told) send({ ...asked, parts: asked.parts.filter((_, place) => place !== at) });
      else if ("weigh" in told) {
        const parts = asked.parts.map((part, place) => (place === at ? { ...part, weight: heavier(part.weight) } : part));
        send({ ...asked, parts }, { replace: true });
      } else if ("words" in told) addWords(Number(told.words));
      else if ("unfilter" in told) unfilter(told.unfilter);
      else if ("exact" in told) send({ ...asked, exact: true });
      else if ("steer" in told) steer(target.closest("[data-id]").dataset.id, Number(told.steer));
      else if ("more" in told) {
        target.disabled = true;
        const answer = one(".answer", element).dataset.answer;
        trigger("more", { kind: told.more, offset: Number(told.offset), answer });
      }
    });
    element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.id === "add-words") {
        event.preventDefault();
        addWords(event.target.value.startsWith("-") ? -0.5 : 1);
      }
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
      if (!element.offsetParent) return;
      if (event.target.closest?.("#filter")) openFilter(false);
      else if (event.target.id === "add-words" && event.target.value) event.target.value = "";
      else if (asked.parts.length && !isPlain(asked)) back();
      else if (event.target.closest?.("#results")) one("#q input")?.focus();
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest?.("#combine, #choose");
      if (button?.id === "combine") {
        combining = !combining;
        button.setAttribute("aria-expanded", combining);
        one("#search").classList.toggle("combining", combining);
        if (combining) one("#add-words")?.focus();
      } else if (button) openFilter(button.getAttribute("aria-expanded") !== "true");
    });
  }

  // ½, 1, 2, and ½ again, of what leads there and of what leads away
  const heavier = (weight) => Math.sign(weight) * ({ 0.5: 1, 1: 2, 2: 0.5 }[Math.abs(weight)] || 1);

  // Hits that follow those on the page: they are put below, so that nothing that plays stops.
  function following(element, watch) {
    watch("value", () => {
      const told = one("[data-for]", element);
      const answer = one("#results .answer");
      const button = answer && one(".more:disabled", answer);
      if (!button || told?.dataset.for !== answer.dataset.answer) return;
      const list = button.previousElementSibling;
      const known = new Set(all("[data-id]", list).map((card) => card.dataset.id));
      let first = null;
      for (const node of [...told.children]) {
        if (node.classList.contains("more") || node.classList.contains("answer")) continue;
        if (known.has(node.dataset.id)) continue;
        list.append(node);
        first ||= one(".open", node);
      }
      const next = one(".more", told);
      if (next) button.replaceWith(next);
      else if (one(".say", told)) button.replaceWith(one(".say", told));
      else button.remove();
      first?.focus({ preventScroll: true });
    });
  }

  // ---- the filter ----
  const filterForm = () => one("#filter form");
  let foldersKnown = false;

  function openFilter(on) {
    const form = filterForm();
    form.hidden = !on;
    one("#choose").setAttribute("aria-expanded", on);
    if (!on) {
      one("#choose").focus();
      return;
    }
    form.querySelector("input").focus();
    if (foldersKnown || !one("#folders")) return;
    foldersKnown = true;
    fetch("folders")
      .then((answer) => (answer.ok ? answer.json() : []))
      .then((names) => one("#folders").replaceChildren(...names.map((value) => make("option", { value }))))
      .catch(() => {});
  }

  function fillFilter() {
    const form = filterForm();
    if (!form || form.contains(document.activeElement)) return;
    for (const field of form.elements) {
      if (field.name === "exact") field.checked = asked.exact;
      else if (field.name) field.value = asked.chosen[field.name] || "";
    }
  }

  function unfilter(names) {
    const chosen = names ? { ...asked.chosen } : {};
    for (const name of names.split(" ")) delete chosen[name];
    document.activeElement?.blur();
    send({ ...asked, chosen, exact: names ? asked.exact : true });
  }

  function filter(element) {
    const form = one("form", element);
    const apply = () => {
      const chosen = {};
      for (const field of form.elements) {
        if (field.name && field.name !== "exact" && field.value.trim()) chosen[field.name] = field.value.trim();
      }
      const query = { ...asked, chosen, exact: form.elements.exact.checked };
      if (!same(query, sent)) send(query); // Enter is a change as well as a submit
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      apply();
    });
    form.addEventListener("change", apply);
    form.addEventListener("click", (event) => {
      if ("unfilter" in event.target.dataset) unfilter("");
    });
  }

  // ---- cards: open, walk with the arrow keys, play one at a time ----
  function cards(element) {
    element.addEventListener("click", (event) => {
      // a hit's name opens it as well as its picture
      const named = event.target.closest("[data-id] .name")?.closest("[data-id]");
      const button = event.target.closest(".open") || (named && one(".open", named));
      const node = event.target.closest("[data-node]");
      if (button) view(button, element, node?.dataset.node);
    });
    element.addEventListener("keydown", (event) => {
      const here = event.target.closest(".open");
      if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
      if ("+-".includes(event.key) && one(".steer", here.parentElement)) {
        event.preventDefault();
        steer(here.parentElement.dataset.id, event.key === "+" ? 1 : -0.5);
        return;
      }
      const next = neighbour(here, all(".open", element), event.key);
      if (!next) return;
      event.preventDefault();
      if (next === "box") one("#q input")?.focus();
      else {
        next.focus();
        next.scrollIntoView({ block: "nearest" });
      }
    });
    // Media events do not bubble, but they can be caught on the way down.
    element.addEventListener("timeupdate", (event) => head(event.target, element), true);
    element.addEventListener("play", (event) => hush(event.target), true);
    element.addEventListener("error", (event) => broken(event.target), true);
  }

  function neighbour(here, list, key) {
    const at = list.indexOf(here);
    if (key === "ArrowRight") return list[at + 1];
    if (key === "ArrowLeft") return list[at - 1];
    if (key === "Home") return list[0];
    if (key === "End") return list.at(-1);
    if (key !== "ArrowDown" && key !== "ArrowUp") return null;
    const down = key === "ArrowDown";
    const from = here.getBoundingClientRect();
    const middle = from.left + from.width / 2;
    let best = null;
    let least = Infinity;
    for (const other of list) {
      const to = other.getBoundingClientRect();
      const gap = down ? to.top - from.bottom : from.top - to.bottom;
      if (other === here || gap < -4) continue;
      const aside = Math.max(0, to.left - middle, middle - to.right);
      const cost = gap + 3 * aside;
      if (cost < least) [best, least] = [other, cost];
    }
    return best || (down || !here.closest("#results") ? null : "box");
  }

  function head(audio, element) {
    const card = audio.closest?.(".sound");
    const line = card && one(".head", card);
    if (line && audio.duration) {
      line.style.left = `${place(audio.currentTime / audio.duration)}%`;
      line.style.opacity = 1;
    }
  }

  // A waveform's picture has a margin at both ends: 24 of its 768 pixels.
  const MARGIN = 24 / 768;
  const place = (part) => 100 * (MARGIN + (1 - 2 * MARGIN) * part);

  function hush(playing) {
    for (const other of all("audio, video")) if (other !== playing) other.pause();
  }

  function broken(node) {
    if (node.tagName === "IMG") node.classList.add("broken");
    if (node.tagName === "AUDIO" && node.error) {
      node.replaceWith(make("p", { class: "gone" }, "This browser cannot play this kind of sound."));
    }
    if (node.tagName === "VIDEO" && node.error) node.replaceWith(...unplayed(node.poster));
  }

  // ---- taking things out of the library ----
  function removal(what, remove) {
    const dialog = make(
      "dialog",
      { id: "confirm", "aria-labelledby": "confirm-title" },
      make("h2", { id: "confirm-title" }, `Remove ${what} from the library?`),
      make("p", {}, "Copies that Anyfind keeps are deleted. Files in your own folders stay where they are."),
      make("div", { class: "acts" },
        make("button", { type: "button", class: "quiet", value: "no" }, "Keep"),
        make("button", { type: "button", class: "danger", value: "yes" }, "Remove"),
      ),
    );
    document.body.append(dialog);
    dialog.addEventListener("click", (event) => {
      if (event.target.value === "yes") remove();
      if (event.target.value || event.target === dialog) dialog.close();
    });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.showModal();
  }

  // From the viewer; its cards go as well, wherever they stand.
  async function removeItem({ id, title }) {
    const how = { method: "POST", headers: { "x-anyfind": "remove" } };
    const answer = await fetch(`remove/${encodeURIComponent(id)}`, how).catch(() => null);
    const told = answer && (await answer.json().catch(() => null));
    if (!answer?.ok) {
      say(told?.detail || "Anyfind does not answer.");
      return;
    }
    for (const card of all(`[data-id="${CSS.escape(id)}"]`)) card.remove();
    document.dispatchEvent(new CustomEvent("anyfind:removed", { detail: id }));
    const parts = asked.parts.filter((part) => part.what !== id);
    if (parts.length < asked.parts.length) send({ ...asked, parts });
    say(`“${title}” is no longer in the library.`);
  }

  // ---- the viewer: one item, large ----
  const acts = {}; // what other tabs do with an item: name -> { label, run(item), suits?(item) }
  acts.remove = {
    label: "Remove from the library",
    suits: ({ kind }) => kind !== "node",
    run: (told) => removal(`“${told.title}”`, () => removeItem(told)),
  };
  let viewer = null;
  let shown = null; // the button the viewer was opened or stepped to
  let around = null; // the element whose items the viewer walks through
  let item = null; // what it shows: the button's item, or one reached from there
  let trail = []; // the items by which it was reached

  function view(button, element, node) {
    shown = button;
    around = element;
    trail = [];
    item = JSON.parse(shown.dataset.item);
    if (!viewer) viewer = makeViewer();
    fill();
    if (!viewer.open) viewer.showModal();
    if (node) visit(node);
    else one("video", viewer)?.play().catch(() => {});
    focusViewer();
  }

  // An item by its id, from where there is no card of it.
  async function open(id) {
    const answer = await fetch(`item/${encodeURIComponent(id)}`).catch(() => null);
    const told = answer && (await answer.json().catch(() => null));
    if (!answer?.ok) {
      say(told?.detail || "Anyfind does not answer.");
      return;
    }
    const button = make("button", { class: "open", "data-item": JSON.stringify(told) });
    view(button, make("div", {}, button));
  }

  // A node's neighbour, or its graph.
  async function visit(id) {
    const from = item;
    const answer = await fetch(`item/${encodeURIComponent(id)}`).catch(() => null);
    const told = answer && (await answer.json().catch(() => null));
    if (from !== item || !viewer.open) return;
    if (!answer?.ok) {
      say(told?.detail || "Anyfind does not answer.");
      return;
    }
    trail.push(item);
    item = told;
    fill();
    focusViewer();
  }

  function focusViewer() {
    (one("video, audio", viewer) ? one(".stage", viewer) : one('[data-act="similar"]', viewer)).focus({ preventScroll: true });
  }

  function makeViewer() {
    const dialog = make("dialog", { id: "viewer", "aria-label": "One item" });
    document.body.append(dialog);
    dialog.addEventListener("click", (event) => {
      const target = event.target.closest("[data-act], [data-node]");
      const act = target?.dataset.act;
      if (event.target === dialog || act === "close") dialog.close();
      else if (act === "next") step(1);
      else if (act === "back") step(-1);
      else if (act === "return") {
        item = trail.pop();
        fill();
        focusViewer();
      } else if (target?.dataset.node) visit(target.dataset.node);
      else if (act) {
        const told = item;
        dialog.close();
        if (act === "similar") similar(told.id);
        else if (acts[act]) acts[act].run(told);
        else steer(told.id, act === "more" ? 1 : -0.5);
      }
    });
    dialog.addEventListener("keydown", (event) => {
      const playing = one("audio, video", dialog);
      if (event.key === " " && playing && event.target !== playing) {
        event.preventDefault();
        if (playing.paused) playing.play().catch(() => {});
        else playing.pause();
      }
      if (event.target === playing) return;
      if (event.key === "ArrowRight") step(1);
      if (event.key === "ArrowLeft") step(-1);
    });
    dialog.addEventListener("keyup", (event) => {
      if (event.key === " " && one("audio, video", dialog)) event.preventDefault();
    });
    dialog.addEventListener("close", () => {
      all("audio, video", dialog).forEach((media) => media.pause());
      dialog.replaceChildren();
      if (shown?.isConnected) shown.focus();
    });
    dialog.addEventListener("timeupdate", (event) => head(event.target), true);
    dialog.addEventListener("play", (event) => hush(event.target), true);
    dialog.addEventListener("error", (event) => broken(event.target), true);
    return dialog;
  }

  function step(by) {
    const list = all(".open", around);
    const next = list[list.indexOf(shown) + by];
    if (!next) return;
    shown = next;
    trail = [];
    item = JSON.parse(shown.dataset.item);
    shown.scrollIntoView({ block: "nearest" });
    fill();
    focusViewer();
  }

  const STAGES = { image: picture, audio: sound, film, text: passage, graph: drawing, node: network };

  function fill() {
    const list = all(".open", around);
    const at = list.indexOf(shown);
    const facts = make("dl", {});
    for (const [name, what] of item.facts) {
      facts.append(make("dt", {}, name), make("dd", {}, what));
    }
    const button = (name, label, act, off) =>
      make("button", { type: "button", class: name, "aria-label": label, title: label, "data-act": act, disabled: off });
    const note = item.missing
      ? make("p", { class: "gone" }, "The original file is gone from where it lay. Anyfind still has its preview.")
      : null;
    const original = item.missing
      ? null
      : make("a", { class: "quiet", href: item.source.replace(/#t=.*/, ""), target: "_blank", rel: "noopener" },
        item.saved ? "Save the original" : "Open the original");
    const composed = item.steered && asked.parts.length
      ? make("div", { class: "pairing" }, make("span", {}, "Combine:"),
        make("button", { type: "button", class: "quiet", "data-act": "more" }, "+ like this"),
        make("button", { type: "button", class: "quiet", "data-act": "less" }, "− like this"))
      : null;
    const others = Object.entries(acts).filter(([, { suits }]) => !suits || suits(item));
    others.sort(([a], [b]) => (a === "remove") - (b === "remove")); // it comes last
    const verbs = others.length
      ? make("div", { class: "verbs" },
        ...others.map(([act, { label }]) => make("button", { type: "button", class: "quiet", "data-act": act }, label)))
      : null;
    const last = trail.at(-1);
    viewer.replaceChildren(
      STAGES[item.kind](item),
      make(
        "aside",
        {},
        last ? make("button", { type: "button", class: "trail", "data-act": "return" }, `‹ ${last.title}`) : null,
        make("h2", {}, item.title),
        note,
        item.net ? neighbours(item.net) : null,
        facts,
        make("div", { class: "acts" },
          make("button", { type: "button", class: "primary", "data-act": "similar" }, "More like this"),
          original,
        ),
        composed,
        verbs,
      ),
      button("x", "Close", "close", false),
      button("prev", "Previous", "back", at <= 0),
      button("next", "Next", "next", at >= list.length - 1),
    );
    viewer.dataset.kind = item.kind;
  }

  const stage = (kind, ...children) => make("div", { class: `stage ${kind}`, tabindex: "-1" }, ...children);

  const unplayed = (poster) => [
    make("img", { src: poster, alt: "" }),
    make("p", { class: "unplayed" }, "This browser may not play this kind of film: open the original in a player."),
  ];

  function film(item) {
    if (item.missing || !item.plays) {
      return stage("film", ...(item.missing ? [make("img", { src: item.preview, alt: "" })] : unplayed(item.preview)));
    }
    const video = make("video", { controls: true, playsinline: true, preload: "metadata", poster: item.preview, src: item.source });
    // Not every browser goes by the address's fragment.
    video.addEventListener("loadedmetadata", () => {
      if (item.start && Math.abs(video.currentTime - item.start) > 0.3) video.currentTime = item.start;
    }, { once: true });
    return stage("film", video);
  }

  function passage(item) {
    if (!item.said) return drawing(item);
    const quote = make("blockquote", {});
    for (const [text, marked] of item.said) quote.append(marked ? make("mark", {}, text) : text);
    const leaf = make("div", { class: "leaf" }, quote);
    const page = stage("text", leaf);
    page.tabIndex = 0; // a long one is scrolled by keys
    const said = item.said.map(([text]) => text).join("");
    fetch(`around/${item.id}?said=${encodeURIComponent(said)}`)
      .then((answer) => (answer.ok ? answer.json() : {}))
      .then(({ before, after }) => {
        if (before) leaf.prepend(make("p", {}, before));
        if (after) leaf.append(make("p", {}, after));
        quote.scrollIntoView({ block: "center" });
      })
      .catch(() => {});
    return page;
  }

  function drawing(item) {
    return stage(item.kind, make("img", { src: item.preview, alt: item.title }));
  }

  // A node with its neighbours around it; which of them stands where the server has said.
  function network(item) {
    const [width, height] = window.innerWidth < 700 ? [500, 460] : [860, 640];
    const svg = (tag, attributes, ...children) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      node.append(...children);
      return node;
    };
    const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
    const { nodes, ties, label } = item.net;
    const crowded = nodes.length > 9;
    const at = nodes.map((node) => [width / 2 + 0.37 * width * node.x, height / 2 + 0.38 * height * node.y]);
    const middle = [width / 2, height / 2];
    const line = (name, [x1, y1], [x2, y2]) => svg("line", { class: name, x1, y1, x2, y2 });
    const drawn = svg("svg", { class: "net", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `${label} and its neighbours` });
    for (const [a, b] of ties) drawn.append(line("tie", at[a], at[b]));
    for (const place of at) drawn.append(line("edge", middle, place));
    // A name that would lie over another is left to the list beside and to the pointer.
    const taken = [];
    const name = (text, x, y, kind) => {
      const half = text.length * (kind ? 5.8 : 4.8);
      const free = x > half && x + half < width && !taken.some((box) => Math.abs(box.x - x) < box.half + half && Math.abs(box.y - y) < 20);
      if (!free) return "";
      taken.push({ x, y, half });
      return svg("text", { class: kind, x, y }, text);
    };
    const own = name(short(label, 30), middle[0], middle[1] + 42, "self");
    nodes.forEach((node, place) => {
      const [x, y] = at[place];
      const above = y < height / 2;
      drawn.append(
        svg("g", { "data-node": node.id, role: "button", "aria-label": `Go to ${node.label}` },
          svg("title", {}, node.said ? `${node.label} (${node.said})` : node.label),
          svg("circle", { class: "reach", cx: x, cy: y, r: 24 }),
          svg("circle", { cx: x, cy: y, r: 10 }),
          name(short(node.label, crowded ? 16 : 24), x, above ? y - 18 : y + 30, ""),
        ),
      );
    });
    drawn.append(
      svg("circle", { class: "self", cx: middle[0], cy: middle[1], r: 18 }),
      own,
    );
    return stage("node", drawn);
  }

  // The same as a list, for keys and for what the edges say.
  function neighbours(net) {
    const list = make("ul", { class: "neighbours" });
    for (const node of net.nodes) {
      list.append(make("li", {}, make("button", { type: "button", "data-node": node.id }, node.label),
        node.said ? make("small", {}, node.said) : null));
    }
    const many = net.degree > net.nodes.length ? `${net.nodes.length} of ${net.degree} neighbours` : `${net.degree} neighbour${net.degree === 1 ? "" : "s"}`;
    return make("div", {}, make("p", { class: "many" }, many), list,
      make("button", { type: "button", class: "whole", "data-node": net.graph }, "The whole graph"));
  }

  function picture(item) {
    const image = make("img", { src: item.preview, alt: item.title, class: "soft" });
    if (!item.missing) {
      // The preview is there at once; the original takes its place when it has come.
      const full = new Image();
      full.onload = () => {
        image.src = full.src;
        image.classList.remove("soft");
      };
      full.onerror = () => image.classList.remove("soft");
      full.src = `media/${item.id}`;
    } else image.classList.remove("soft");
    return stage("image", image);
  }

  function sound(item) {
    const wave = make("div", { class: "wave" }, make("img", { src: item.preview, alt: "" }));
    if (item.start !== null && item.seconds) {
      const left = place(item.start / item.seconds);
      const right = place(item.end / item.seconds);
      wave.append(make("span", { class: "mark", style: `left:${left}%;width:${right - left}%` }));
    }
    wave.append(make("span", { class: "head" }));
    const heard = stage("sound", wave);
    if (item.missing) return heard;
    const audio = make("audio", { controls: true, preload: "none", src: item.source });
    heard.append(audio);
    wave.addEventListener("click", (event) => {
      const across = wave.getBoundingClientRect();
      const part = ((event.clientX - across.left) / across.width - MARGIN) / (1 - 2 * MARGIN);
      audio.src = `media/${item.id}`; // without the stretch: it would stop at its end
      audio.currentTime = Math.min(Math.max(part, 0), 1) * (item.seconds || 0);
      audio.play();
    });
    return heard;
  }

  // ---- library ----
  let sendFiles = () => {};
  let stopSending = () => {};

  function drop(element, trigger) {
    const input = one("#drop-input", element);
    const told = one("#sending", element);
    let queue = [];
    let total = 0;
    let running = 0;
    const newName = () => Math.random().toString(36).slice(2);
    let name = ""; // of what is dropped together, for one report
    const tell = (file, part) => {
      const done = total - queue.length - running;
      told.textContent = file ? `Sending ${done + 1} of ${total}: ${file.name} (${Math.round(100 * part)} %)` : "";
    };
    async function work() {
      running += 1;
      while (queue.length) {
        const file = queue.shift();
        try {
          await upload(file, name, (part) => tell(file, part));
          trigger("arrived", {});
        } catch (error) {
          say(error.message);
        }
      }
      running -= 1;
      if (!running) {
        total = 0;
        tell(null, 0);
      }
    }
    sendFiles = (files) => {
      if (!total) name = newName();
      queue.push(...files);
      total += files.length;
      for (let more = Math.min(2 - running, queue.length); more > 0; more -= 1) work();
    };
    stopSending = () => {
      total -= queue.length;
      queue = [];
      name = newName(); // what is dropped from now on is not stopped, even while a file is on its way
    };
    input.addEventListener("change", () => {
      sendFiles([...input.files]);
      input.value = "";
    });
    one("#drop", element).addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        input.click();
      }
    });
  }

  function progress(element, trigger) {
    element.addEventListener("click", (event) => {
      if (event.target.closest("[data-stop]")) {
        stopSending();
        trigger("stop", {});
      }
      if (event.target.closest("[data-close]")) one(".intake", element)?.remove();
    });
  }

  function shelf(element, trigger, watch) {
    const picked = new Map(); // id -> title, on this page of the library
    cards(element);
    const bar = make("div", { id: "picked", hidden: true, role: "region", "aria-label": "Selected" });
    document.body.append(bar);
    const boxes = () => all("[data-pick-id]", element);
    function show() {
      const here = new Set(boxes().map((b) => b.dataset.pickId));
      for (const id of picked.keys()) if (!here.has(id)) picked.delete(id);
      for (const b of boxes()) b.checked = picked.has(b.dataset.pickId);
      bar.hidden = !picked.size || !element.offsetParent;
      element.classList.toggle("picking", picked.size > 0);
      if (bar.hidden) return;
      const button = (label, name, act) => {
        const node = make("button", { type: "button", class: name }, label);
        node.addEventListener("click", act);
        return node;
      };
      bar.replaceChildren(
        make("b", {}, `${picked.size} selected`),
        button("All on this page", "quiet", () => {
          for (const b of boxes()) picked.set(b.dataset.pickId, true);
          show();
        }),
        button("None", "quiet", () => {
          picked.clear();
          show();
        }),
        button("Remove", "danger", confirm),
      );
    }
    function confirm() {
      removal(picked.size === 1 ? "1 item" : `${picked.size} items`, () => {
        trigger("remove", { ids: [...picked.keys()] });
        picked.clear();
        show();
      });
    }
    element.addEventListener("change", (event) => {
      const id = event.target.dataset.pickId;
      if (!id) return;
      if (event.target.checked) picked.set(id, true);
      else picked.delete(id);
      show();
    });
    element.addEventListener("click", (event) => {
      const turn = event.target.closest("[data-turn]");
      if (!turn) return;
      picked.clear();
      trigger("turn", { offset: Number(turn.dataset.turn) });
      one("#shelf-filters")?.scrollIntoView();
    });
    watch("value", show);
    document.addEventListener("anyfind:removed", () => trigger("fresh", {}));
    document.addEventListener("click", (event) => {
      if (event.target.closest('[role="tab"]')) setTimeout(show, 50);
    });
  }

  // ---- dropping files anywhere on the page ----
  const drops = []; // other tabs that take files: { here(), label, take(files) }
  const taker = () => drops.find(({ here }) => here());
  let depth = 0;
  const carriesFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const over = (on) => {
    document.body.classList.toggle("dropping", on);
    const usual = inLibrary() ? "Drop to add to the library" : "Drop to find more like it";
    document.body.dataset.drop = taker()?.label || usual;
  };
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    over(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth = Math.max(0, depth - 1);
    if (!depth) over(false);
  });
  document.addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", async (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    over(false);
    const adding = inLibrary();
    const other = taker();
    const onBar = Boolean(event.target.closest?.(".terms"));
    const files = await dropped(event.dataTransfer);
    if (adding) sendFiles(files);
    else if (other) other.take(files);
    else byFile(files[0], onBar);
  });

  // what the components of this page call, and what the other tabs' scripts build on
  window.anyfind = {
    ...{ box, results, following, filter, drop, progress, shelf },
    ...{ one, all, make, say, wait, tab, upload, cards, open, ask, similar, likeAll, plus, acts, drops, dropped },
  };
})();
