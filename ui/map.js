// The Map tab: fetches the map when it is seen, colours it, and shows what was chosen on it.
(() => {
  const { one, all, make, say, tab, cards, open, likeAll } = window.anyfind;

  function map(element) {
    const told = one(".map-told", element);
    const box = one(".atlas", element);
    const shelf = one(".map-chosen", element);
    const form = one(".map-labels", element);
    let chart = null;
    let data = null;
    let serial = -1;
    let asking = false;

    const seen = () => box.getClientRects().length > 0;
    async function ask() {
      if (asking) return;
      asking = true;
      try {
        for (;;) {
          const answer = await fetch(`map?have=${serial}`);
          if (!answer.ok) throw new Error((await answer.json()).detail);
          const now = await answer.json();
          if (now.map) {
            serial = now.serial;
            show(now.map);
          }
          if (now.error) tell(now.error);
          if (!now.busy) break;
          tell(`${now.what}…${now.total ? ` ${Math.round((100 * now.done) / now.total)} %` : ""}`, true);
          await new Promise((done) => setTimeout(done, 500));
          if (!seen()) break;
        }
      } catch (error) {
        tell(error.message || "Anyfind does not answer.");
      }
      asking = false;
    }
    function tell(text, busy = false) {
      told.textContent = text;
      element.classList.toggle("working", busy);
    }

    function show(map) {
      data = map;
      element.classList.toggle("bare", !data.ids.length);
      element.classList.remove("working");
      if (!data.ids.length) {
        const button = make("button", { type: "button", class: "primary" }, "Add files");
        button.addEventListener("click", () => tab("Library"));
        tell("");
        box.replaceChildren(make("div", { class: "empty" }, make("h2", {}, "Nothing to map yet"),
          make("p", {}, "Once there are pictures, sounds, films or texts in the library, those that are alike lie together here."), button));
        chart = null;
        return;
      }
      const placed = data.placed ? ` ${data.placed} new ones were placed among the others.` : "";
      const groups = data.names.length ? ` in ${data.names.length} cluster${data.names.length === 1 ? "" : "s"}` : "";
      tell(`${data.ids.length.toLocaleString("en")} items${groups}.${placed}`);
      choose([]);
      chart = window.anyfind.atlas(box, data, {
        preview: (at) => `preview/${data.ids[at]}`,
        open: (at) => open(data.ids[at]),
        select: choose,
        lassoing: (on) => one('[data-do="lasso"]', element).setAttribute("aria-pressed", on),
      });
      element.chart = chart;
      by(data.names.length > 1 ? "cluster" : "medium");
    }

    function by(kind, labels = null) {
      for (const button of all("[data-by]", element)) button.setAttribute("aria-checked", button.dataset.by === kind);
      form.hidden = kind !== "label";
      if (kind === "label" && !labels) one("input", form).focus();
      else chart?.colour(kind, labels);
    }

    async function choose(list) {
      shelf.hidden = !list.length;
      shelf.replaceChildren();
      if (!list.length) return;
      const ids = list.map((at) => data.ids[at]);
      const button = (label, act) => {
        const node = make("button", { type: "button", class: "quiet" }, label);
        node.addEventListener("click", act);
        return node;
      };
      const wall = make("div", { class: "grid" });
      const many = ids.length > 60 ? `${ids.length.toLocaleString("en")} selected, the first 60 shown` : `${ids.length} selected`;
      shelf.append(
        make("header", {}, make("h2", {}, many),
          button("More like these", () => like(ids)),
          button("Copy titles", () => copy(list.map((at) => data.titles[at]))),
          button("Clear", () => chart.choose([]))),
        wall);
      const answer = await fetch(`map/cards?ids=${ids.slice(0, 60).join(",")}`).catch(() => null);
      if (answer?.ok) wall.innerHTML = await answer.text(); // escaped where it is made (ui/cards.py)
      else say("Anyfind does not answer.");
    }
    async function copy(titles) {
      try {
        await navigator.clipboard.writeText(titles.join("\n"));
        say(`${titles.length} titles copied.`);
      } catch {
        say("The browser did not let the titles be copied.");
      }
    }
    // A query bears so many parts: those that are spread over the selection speak for it.
    function like(ids) {
      const step = Math.max(1, Math.ceil(ids.length / 8));
      likeAll(ids.filter((_, at) => at % step === 0));
    }

    element.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-by], [data-do]");
      if (!button) return;
      if (button.dataset.by) by(button.dataset.by);
      else if (button.dataset.do === "lasso") chart?.lasso(!chart.lassoing);
      else if (button.dataset.do === "fit") chart?.fit();
      else if (button.dataset.do === "anew") {
        await fetch("map", { method: "POST" }).catch(() => null);
        ask();
      } else if (button.dataset.do === "export" && !data?.ids.length) event.preventDefault();
    });
    element.addEventListener("keydown", (event) => {
      const here = event.target.closest("[data-by]");
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!here || !step) return;
      const buttons = all("[data-by]", element);
      const next = buttons[(buttons.indexOf(here) + step + buttons.length) % buttons.length];
      next.focus();
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const answer = await fetch(`map/labels?of=${encodeURIComponent(one("input", form).value)}`).catch(() => null);
      const labels = answer && (await answer.json().catch(() => null));
      if (answer?.ok) {
        // by id: the map on this page may be older than the library
        labels.of = data.ids.map((id) => labels.of[id] ?? -1);
        by("label", labels);
      } else say(labels?.detail || "Anyfind does not answer.");
    });
    cards(shelf);
    // The tab is drawn while it is hidden: asked when it comes into sight, and each time again.
    new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) ask();
    }).observe(one(".map-bar", element));
  }

  window.anyfind.map = map;
})();
