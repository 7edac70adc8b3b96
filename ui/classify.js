// The Classify tab: labels that are typed or picked, shelves of what was sorted under them, and
// marks by which labels are taught. Marks live in the browser, by the items' ids, until they are
// learnt from; they outlive a reload.
(() => {
  const { one, all, make, say, wait, tab, cards } = window.anyfind;
  const KEPT = "anyfind-marks";
  const marks = new Map(Object.entries(JSON.parse(sessionStorage.getItem(KEPT) || "{}"))); // id -> label
  let sort = () => {};
  let teaching = false;
  let under = null; // the label that a click marks

  const medium = () => one("#sort-in input:checked")?.value || "";
  const note = () => sessionStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(marks)));

  function sorting(element, trigger) {
    const labels = one("#labels", element);
    const grow = () => {
      labels.style.height = "auto";
      labels.style.height = `${Math.min(labels.scrollHeight, 200)}px`;
    };
    sort = (chosen = medium()) => {
      if (!labels.value.trim()) {
        labels.focus();
        return;
      }
      wait(true);
      trigger("sort", { labels: labels.value, wordings: one("#wordings", element).value, medium: chosen });
    };
    one("form", element).addEventListener("submit", (event) => {
      event.preventDefault();
      sort();
    });
    labels.addEventListener("input", grow);
    labels.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        sort();
      }
    });
    element.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-set]");
      if (!chip) return;
      labels.value = chip.dataset.set;
      grow();
      // the set's own medium, unless one is chosen that it suits
      const suits = chip.dataset.media.split(" ");
      const chosen = suits.includes(medium()) ? medium() : suits[0];
      all("#sort-in input").find((radio) => radio.value === chosen)?.click();
      sort(chosen); // the radio itself tells of it only later
    });
    document.addEventListener("change", (event) => {
      if (!event.target.closest?.("#sort-in") || !event.isTrusted) return;
      if (one("#shelves .sorted") && labels.value.trim()) sort(event.target.value);
    });
  }

  function shelves(element, trigger, watch) {
    cards(element);
    const names = () => JSON.parse(one(".sorted", element)?.dataset.labels || "[]");

    function show() {
      const known = names();
      if (!known.includes(under)) under = known[0];
      const panel = one(".teach", element);
      if (panel) panel.hidden = !teaching;
      one("[data-teach]", element)?.setAttribute("aria-expanded", teaching);
      element.classList.toggle("teaching", teaching);
      const counts = new Map();
      for (const label of marks.values()) counts.set(label, (counts.get(label) || 0) + 1);
      for (const button of all("[data-under]", element)) {
        one("b", button).textContent = counts.get(button.dataset.under) || 0;
        button.setAttribute("aria-pressed", button.dataset.under === under);
      }
      for (const cell of all(".cell", element)) {
        const label = marks.get(cell.dataset.id);
        if (teaching && known.includes(label)) cell.dataset.mark = label;
        else delete cell.dataset.mark;
      }
      const ready = known.filter((label) => counts.get(label)).length > 1;
      const learn = one("[data-learn]", element);
      if (learn) learn.disabled = !ready;
    }

    function mark(cell, label) {
      if (marks.get(cell.dataset.id) === label) marks.delete(cell.dataset.id);
      else marks.set(cell.dataset.id, label);
      note();
      show();
    }

    // Before the cards' own listener, which would open the viewer.
    element.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (!teaching || !cell || event.target.closest("audio")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      mark(cell, under);
    }, true);
    element.addEventListener("keydown", (event) => {
      const cell = event.target.closest(".cell");
      if (!teaching || !cell || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!/^[0-9]$/.test(event.key)) return;
      const known = names();
      const label = event.key === "0" ? known.at(-1) : known.slice(0, -1)[Number(event.key) - 1];
      if (label === undefined) return;
      event.preventDefault();
      mark(cell, label);
    });

    element.addEventListener("click", (event) => {
      const target = event.target.closest("button, [data-tab]");
      if (!target) return;
      const told = target.dataset;
      if ("to" in told) {
        one(`section[data-label="${told.to}"]`, element)?.scrollIntoView({ behavior: "smooth" });
      } else if ("tab" in told) tab(told.tab);
      else if ("teach" in told) {
        teaching = !teaching;
        show();
      } else if ("under" in told) {
        under = told.under;
        show();
      } else if ("unmark" in told) {
        marks.clear();
        note();
        show();
      } else if ("doubtful" in told) {
        wait(true);
        trigger("again", { doubtful: target.getAttribute("aria-pressed") !== "true" });
      } else if ("learn" in told) {
        const known = new Set(names());
        wait(true);
        const marked = Object.fromEntries([...marks].filter(([, label]) => known.has(label)));
        trigger("learn", { marks: marked, medium: medium() });
      } else if ("table" in told) {
        wait(true);
        trigger("table", {});
      } else if (target.classList.contains("more")) {
        target.disabled = true;
        trigger("more", { label: Number(told.label), offset: Number(told.offset) });
      }
    });
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      trigger("keep", { name: event.target.elements.name.value });
    });
    document.addEventListener("click", (event) => {
      const chip = event.target.closest?.("#probes [data-probe]");
      if (!chip) return;
      wait(true);
      trigger("recall", { name: chip.dataset.probe, medium: medium() });
    });
    watch("value", () => {
      wait(false);
      show();
    });
    document.addEventListener("anyfind-shelved", show);
  }

  // Items that follow those of a label: put below them, so that nothing that plays stops.
  function shelved(element, watch) {
    watch("value", () => {
      const told = one("[data-label]", element);
      const section = told && one(`#shelves section[data-label="${told.dataset.label}"]`);
      const button = section && one(".more:disabled", section);
      if (!button) return;
      const first = one(".cell .open", told);
      const known = new Set(all(".cell", section).map((cell) => cell.dataset.id));
      const fresh = [...told.childNodes].filter((node) => !known.has(node.dataset?.id));
      button.replaceWith(...fresh);
      first?.focus({ preventScroll: true });
      document.dispatchEvent(new Event("anyfind-shelved"));
    });
  }

  // A table that the server made is saved by the browser, without a file on the server.
  function sheet(element, watch) {
    watch("value", () => {
      wait(false);
      const told = one("[data-file]", element);
      if (!told) {
        if (one(".say", element)) say(one(".say", element).textContent);
        return;
      }
      const blob = new Blob(["\ufeff", told.textContent], { type: "text/csv;charset=utf-8" });
      const link = make("a", { href: URL.createObjectURL(blob), download: told.dataset.file });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      told.remove();
    });
  }

  Object.assign(window.anyfind, { sorting, shelves, shelved, sheet });
})();
