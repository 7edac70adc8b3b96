// Trays of things: words typed, items picked, files dropped, kept for the browser's session.
(() => {
  const { one, all, make, say, wait, tab, upload, cards, acts, drops } = window.anyfind;

  const TABS = { odd: "Odd one out", pair: "Compare" };
  const MOST = { odd: 20, pair: 2 };
  const TRIES = 5; // what is sent while an answer is made may be answered with the older one again
  const PAUSE = 300; // milliseconds without a key, before the library is asked
  const trays = {}; // name -> { draw, close, check, field }, of the tabs that have been drawn
  const files = new Map(); // an upload's token -> { address, type }: the browser shows it itself

  const load = (name) => {
    try {
      return JSON.parse(sessionStorage.getItem(`anyfind-${name}`)) || [];
    } catch {
      return [];
    }
  };
  const keep = (name, things) => {
    try {
      sessionStorage.setItem(`anyfind-${name}`, JSON.stringify(things));
    } catch {
      // a browser that keeps nothing: then they last as long as the page
    }
    kept[name] = things;
  };
  const kept = {};
  const held = (name) => kept[name] || (kept[name] = load(name));

  function take(name, ...more) {
    const things = [...held(name)];
    for (const thing of more) {
      if (things.some((other) => other.by === thing.by && other.what === thing.what)) {
        say(`“${thing.label}” is there already.`);
      } else if (name === "odd" && things.length >= MOST.odd) {
        say(`There is room for ${MOST.odd} things: take one out first.`);
      } else things.push(thing);
    }
    keep(name, things.slice(-MOST[name])); // of two, the older gives way
    trays[name]?.draw();
  }

  const itemThing = (item) => ({ by: "item", what: item.id, label: item.title, preview: item.preview });
  for (const [name, label] of Object.entries(TABS)) {
    acts[name] = {
      label: name === "odd" ? "Is it the odd one out?" : "Compare",
      run: (item) => {
        take(name, itemThing(item));
        tab(label);
        window.scrollTo({ top: 0 });
      },
    };
  }

  async function takeFiles(name, chosen) {
    const taken = [];
    wait(true);
    for (const file of chosen.slice(0, MOST[name])) {
      try {
        const token = await upload(file);
        files.set(token, { address: URL.createObjectURL(file), type: file.type });
        taken.push({ by: "file", what: token, label: file.name });
      } catch (error) {
        say(error.message);
      }
    }
    wait(false);
    if (taken.length) take(name, ...taken); // all at once, so that the library is asked once
  }

  document.addEventListener("anyfind:removed", ({ detail: id }) => {
    for (const name of Object.keys(TABS)) {
      const left = held(name).filter(({ what }) => what !== id);
      if (left.length === held(name).length) continue;
      keep(name, left);
      trays[name]?.draw();
    }
  });

  function tray(element, trigger, name) {
    const list = one("ul", element);
    const field = one("input[type=text]", element);
    const chooser = one("input[type=file]", element);
    let pause = 0;
    let again = 0; // how often an answer to something else may still be asked anew

    function chip(thing, at) {
      const seen = files.get(thing.what);
      const address = thing.preview || (seen?.type.startsWith("image/") ? seen.address : null);
      const out = make("button", { type: "button", "data-out": at, "aria-label": `Take out ${thing.label}` }, "×");
      const picture = address ? make("img", { src: address, alt: "" }) : null;
      return make("li", { class: "term" }, picture, make("span", { class: "label", title: thing.label }, thing.label), out);
    }
    function draw() {
      list.replaceChildren(...held(name).map(chip));
      one(".clear", element).hidden = !held(name).length;
      again = TRIES;
      judge();
    }
    function judge() {
      wait(true);
      trigger("judge", { things: held(name).map(({ by, what }) => ({ by, what, weight: 1 })) });
    }
    // An answer to what lay in the tray before is followed by the one to what lies there now.
    function check(count) {
      if (count === held(name).length || !again) wait(false);
      else {
        again -= 1;
        judge();
      }
    }
    const look = (words) => trigger("look", { words });
    const close = () => {
      clearTimeout(pause);
      const offered = one(`#${name}-offered .answer`);
      if (offered) offered.hidden = true;
    };
    trays[name] = { draw, close, check, field };

    field.addEventListener("input", () => {
      clearTimeout(pause);
      const words = field.value.trim();
      if (words.length < 2) close();
      else pause = setTimeout(() => look(words), PAUSE);
    });
    field.addEventListener("keydown", (event) => {
      const first = one(`#${name}-offered .answer:not([hidden]) [data-take]`);
      if (event.key === "Enter" && field.value.trim()) {
        event.preventDefault();
        // commas part words: a whole list can be typed, or pasted
        const typed = field.value.split(",").map((text) => text.trim()).filter(Boolean);
        take(name, ...typed.map((what) => ({ by: "text", what, label: what })));
        field.value = "";
        close();
      } else if (event.key === "Backspace" && !field.value && held(name).length) {
        keep(name, held(name).slice(0, -1));
        draw();
      } else if (event.key === "ArrowDown" && first) {
        event.preventDefault();
        first.focus();
      } else if (event.key === "Escape") close();
    });
    element.addEventListener("click", (event) => {
      const target = event.target.closest("[data-out], [data-clear], [data-file-for]");
      if (!target) return;
      if ("out" in target.dataset) keep(name, held(name).filter((_, at) => at !== Number(target.dataset.out)));
      else if ("clear" in target.dataset) keep(name, []);
      else {
        chooser.click();
        return;
      }
      draw();
      field.focus();
    });
    chooser.addEventListener("change", () => {
      takeFiles(name, [...chooser.files]);
      chooser.value = "";
    });
    drops.push({
      here: () => Boolean(element.offsetParent),
      label: name === "odd" ? "Drop to put it beside the others" : "Drop to compare it",
      take: (dropped) => takeFiles(name, dropped),
    });
    if (held(name).length) draw();
    else one(".clear", element).hidden = true;
  }

  // What the library holds of the words in the tray's field.
  function offered(element, name) {
    element.addEventListener("click", (event) => {
      const target = event.target.closest("[data-take]");
      if (!target) return;
      const { take: what, preview } = target.dataset;
      take(name, { by: "item", what, preview, label: target.title });
      trays[name].field.value = "";
      trays[name].close();
      trays[name].field.focus();
    });
    element.addEventListener("keydown", (event) => {
      const list = all("[data-take]", element);
      const at = list.indexOf(event.target);
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape" || (step === -1 && at === 0)) trays[name].field.focus();
      else if (step && at >= 0) list[at + step]?.focus();
      else return;
      event.preventDefault();
    });
  }

  // The answer: its cards open the viewer, its concepts are searched for.
  function judged(element, watch, name) {
    cards(element);
    element.addEventListener("click", (event) => {
      const target = event.target.closest("[data-try], [data-words-for]");
      if (!target) return;
      if (target.dataset.try) {
        keep(name, target.dataset.try.split("|").map((what) => ({ by: "text", what, label: what })));
        trays[name].draw();
      } else {
        tab("Search");
        window.scrollTo({ top: 0 });
        window.anyfind.ask(target.dataset.wordsFor);
      }
    });
    const show = () => {
      const told = one("[data-count]", element);
      if (told && trays[name]) trays[name].check(Number(told.dataset.count));
      else wait(false);
      requestAnimationFrame(() => {
        for (const tile of all("[data-upload]", element)) {
          const seen = files.get(tile.dataset.upload);
          const plate = one(".plate", tile);
          if (!seen || plate.dataset.drawn) continue;
          plate.dataset.drawn = "yes";
          const kind = seen.type.split("/")[0];
          if (kind === "image") plate.replaceChildren(make("img", { src: seen.address, alt: "" }));
          else if (kind === "audio") plate.append(make("audio", { src: seen.address, controls: true, preload: "metadata" }));
          else if (kind === "video") plate.replaceChildren(make("video", { src: seen.address, controls: true, preload: "metadata" }));
        }
      });
    };
    watch("value", show);
  }

  // What stands apart in the library: its cards open the viewer.
  const apart = (element) => cards(element);

  Object.assign(window.anyfind, { tray, offered, judged, apart });
})();
