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
    const button = all('#tabs button[role="tab"]').find((b) => b.textContent.trim() === name);
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

  // ---- search ----
  let similar = () => {};
  let byFile = () => {};

  function box(element, trigger) {
    const input = one("#by-file-input", element);
    byFile = async (file) => {
      if (!file) return;
      tab("Search");
      wait(true);
      try {
        trigger("file", { token: await upload(file) });
      } catch (error) {
        wait(false);
        say(error.message);
      }
    };
    one("#by-file", element).addEventListener("click", () => input.click());
    one("#go", element).addEventListener("click", () => {
      wait(true);
      trigger("go", {});
    });
    input.addEventListener("change", () => {
      byFile(input.files[0]);
      input.value = "";
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
      const writing = target.closest?.("input, textarea, select, audio, dialog");
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

  function results(element, trigger, watch) {
    const ask = (event, data) => {
      wait(true);
      trigger(event, data);
    };
    similar = (id) => {
      tab("Search");
      window.scrollTo({ top: 0 });
      ask("similar", { id });
    };
    // The words stand in the address: to go back to, to keep, to load again.
    const asked = () => new URLSearchParams(location.search).get("q") || "";
    const note = () => {
      const found = one(".found, .empty", element);
      if (!found || one(".like", element)) return;
      const words = found.dataset.q || "";
      if (words === asked()) return;
      history.pushState(null, "", words ? `?q=${encodeURIComponent(words)}` : location.pathname);
    };
    watch("value", () => {
      wait(false);
      note();
    });
    window.addEventListener("popstate", () => ask("pick", { text: asked() }));
    cards(element);
    element.addEventListener("click", (event) => {
      const target = event.target.closest("[data-pick], [data-back], [data-tab], [data-jump]");
      if (!target) return;
      if ("jump" in target.dataset) {
        one(".found .sounds", element)?.scrollIntoView({ behavior: "smooth" });
        return;
      }
      if (target.dataset.pick) ask("pick", { text: target.dataset.pick });
      else if (target.dataset.tab) tab(target.dataset.tab);
      else ask("back", {});
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
      if (one("[data-back]", element) && element.offsetParent) ask("back", {});
      else if (event.target.closest?.("#results")) one("#q input")?.focus();
    });
  }

  // ---- cards: open, walk with the arrow keys, play one at a time ----
  function cards(element) {
    element.addEventListener("click", (event) => {
      const button = event.target.closest(".open");
      if (button) view(button, element);
    });
    element.addEventListener("keydown", (event) => {
      const here = event.target.closest(".open");
      if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
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
    for (const audio of all("audio")) if (audio !== playing) audio.pause();
  }

  function broken(node) {
    if (node.tagName === "IMG") node.classList.add("broken");
    if (node.tagName === "AUDIO" && node.error) {
      node.replaceWith(make("p", { class: "gone" }, "This browser cannot play this kind of sound."));
    }
  }

  // ---- the viewer: one item, large ----
  let viewer = null;
  let shown = null; // the button the viewer shows the item of
  let around = null; // the element whose items the viewer walks through

  function view(button, element) {
    shown = button;
    around = element;
    if (!viewer) viewer = makeViewer();
    fill();
    if (!viewer.open) viewer.showModal();
  }

  function makeViewer() {
    const dialog = make("dialog", { id: "viewer", "aria-label": "One item" });
    document.body.append(dialog);
    dialog.addEventListener("click", (event) => {
      const act = event.target.closest("[data-act]")?.dataset.act;
      if (event.target === dialog || act === "close") dialog.close();
      else if (act === "next") step(1);
      else if (act === "back") step(-1);
      else if (act === "similar") {
        const id = JSON.parse(shown.dataset.item).id;
        dialog.close();
        similar(id);
      }
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.target.tagName === "AUDIO") return;
      if (event.key === "ArrowRight") step(1);
      if (event.key === "ArrowLeft") step(-1);
    });
    dialog.addEventListener("close", () => {
      all("audio", dialog).forEach((audio) => audio.pause());
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
    shown.scrollIntoView({ block: "nearest" });
    fill();
  }

  function fill() {
    const item = JSON.parse(shown.dataset.item);
    const list = all(".open", around);
    const at = list.indexOf(shown);
    const facts = make("dl", {});
    for (const [name, what] of item.facts) {
      facts.append(make("dt", {}, name), make("dd", {}, what));
    }
    const icon = (name, label, act, off) =>
      make("button", { type: "button", class: name, "aria-label": label, title: label, "data-act": act, disabled: off });
    const note = item.missing
      ? make("p", { class: "gone" }, "The original file is gone from where it lay. Anyfind still has its preview.")
      : null;
    const original = item.missing
      ? null
      : make("a", { class: "quiet", href: `media/${item.id}`, target: "_blank", rel: "noopener" }, "Open the original");
    viewer.replaceChildren(
      item.kind === "image" ? picture(item) : sound(item),
      make(
        "aside",
        {},
        make("h2", {}, item.title),
        note,
        facts,
        make("div", { class: "acts" },
          make("button", { type: "button", class: "primary", "data-act": "similar" }, "More like this"),
          original,
        ),
      ),
      icon("x", "Close", "close", false),
      icon("prev", "Previous", "back", at <= 0),
      icon("next", "Next", "next", at >= list.length - 1),
    );
    viewer.dataset.kind = item.kind;
    one('[data-act="similar"]', viewer).focus({ preventScroll: true });
  }

  function picture(item) {
    const preview = `preview/${item.id}`;
    const image = make("img", { src: preview, alt: item.title, class: "soft" });
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
    return make("div", { class: "stage" }, image);
  }

  function sound(item) {
    const wave = make("div", { class: "wave" }, make("img", { src: `preview/${item.id}`, alt: "" }));
    if (item.start !== null && item.seconds) {
      const left = place(item.start / item.seconds);
      const right = place(item.end / item.seconds);
      wave.append(make("span", { class: "mark", style: `left:${left}%;width:${right - left}%` }));
    }
    wave.append(make("span", { class: "head" }));
    const stage = make("div", { class: "stage sound" }, wave);
    if (item.missing) return stage;
    const audio = make("audio", { controls: true, preload: "none", src: item.source });
    stage.append(audio);
    wave.addEventListener("click", (event) => {
      const across = wave.getBoundingClientRect();
      const part = ((event.clientX - across.left) / across.width - MARGIN) / (1 - 2 * MARGIN);
      audio.src = `media/${item.id}`; // without the stretch: it would stop at its end
      audio.currentTime = Math.min(Math.max(part, 0), 1) * (item.seconds || 0);
      audio.play();
    });
    return stage;
  }

  // ---- library ----
  let send = () => {};
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
    send = (files) => {
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
      send([...input.files]);
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
      const many = picked.size === 1 ? "1 item" : `${picked.size} items`;
      const dialog = make(
        "dialog",
        { id: "confirm", "aria-labelledby": "confirm-title" },
        make("h2", { id: "confirm-title" }, `Remove ${many} from the library?`),
        make("p", {}, "Copies that Anyfind keeps are deleted. Files in your own folders stay where they are."),
        make("div", { class: "acts" },
          make("button", { type: "button", class: "quiet", value: "no" }, "Keep"),
          make("button", { type: "button", class: "danger", value: "yes" }, "Remove"),
        ),
      );
      document.body.append(dialog);
      dialog.addEventListener("click", (event) => {
        if (event.target.value === "yes") {
          trigger("remove", { ids: [...picked.keys()] });
          picked.clear();
          show();
        }
        if (event.target.value || event.target === dialog) dialog.close();
      });
      dialog.addEventListener("close", () => dialog.remove());
      dialog.showModal();
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
    document.addEventListener("click", (event) => {
      if (event.target.closest('[role="tab"]')) setTimeout(show, 50);
    });
  }

  // ---- dropping files anywhere on the page ----
  let depth = 0;
  const carriesFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const over = (on) => {
    document.body.classList.toggle("dropping", on);
    document.body.dataset.drop = inLibrary() ? "Drop to add to the library" : "Drop to find more like it";
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
    const files = await dropped(event.dataTransfer);
    if (adding) send(files);
    else byFile(files[0]);
  });

  window.anyfind = { box, results, drop, progress, shelf };
})();
