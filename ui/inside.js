// The Inside tab: vectors drawn as cells, and what is looked into next.
(() => {
  const { one, all, make, say, wait, tab, upload, acts, dropped } = window.anyfind;

  let send = null; // asks: send({ by, what }); there once the tab has been drawn
  let waiting = null; // what was asked before that
  const look = (part) => {
    tab("Inside");
    window.scrollTo({ top: 0 });
    if (send) send(part);
    else waiting = part;
  };
  const byFile = async (file) => {
    if (!file) return;
    wait(true);
    try {
      look({ by: "file", what: await upload(file) });
    } catch (error) {
      wait(false);
      say(error.message);
    }
  };
  acts.inside = { label: "Look inside", run: (item) => look({ by: "item", what: item.id }) };

  function insideBox(element, trigger) {
    const input = one("#inside-file-input", element);
    one("#inside-file", element).addEventListener("click", () => input.click());
    one("#inside-go", element).addEventListener("click", () => {
      wait(true);
      trigger("go", {});
    });
    input.addEventListener("change", () => {
      byFile(input.files[0]);
      input.value = "";
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.closest?.("#inside-q")) wait(true);
    });
  }

  function inside(element, trigger, watch) {
    send = (part) => {
      wait(true);
      trigger("ask", { query: { parts: [part] } });
    };
    if (waiting) send(waiting);
    waiting = null;
    element.addEventListener("click", (event) => {
      const told = event.target.closest("[data-inside-words], [data-inside-item]")?.dataset;
      if (!told) return;
      if (told.insideWords) look({ by: "text", what: told.insideWords });
      else look({ by: "item", what: told.insideItem });
    });
    const show = () => {
      wait(false);
      drawAll(element);
    };
    watch("value", show);
    show();
  }

  function insideWays(element, watch) {
    window.anyfind.cards(element);
    watch("value", () => drawAll(element));
  }

  // ---- vectors as cells: each number a cell, as strong as it is far from 0 ----
  const ROWS = 16;
  const drawn = new Set(); // canvases on the page, drawn anew when its colours or its width change

  function drawAll(element) {
    // The answer's elements are in place a moment after its value has changed.
    requestAnimationFrame(() => {
      for (const place of all("[data-vector]", element)) if (!place.childElementCount) build(place);
    });
  }

  function build(place) {
    const { values, blocks } = JSON.parse(place.dataset.vector);
    const strip = place.classList.contains("strip");
    const parts = blocks.length ? blocks : [{ name: "", start: 0, stop: values.length, share: 100 }];
    const most = Math.max(...values.map(Math.abs), 1e-9);
    // A block that holds next to nothing is drawn by the same measure: it looks as empty as it is.
    const strong = (value) => Math.sqrt(Math.abs(value) / most);
    for (const part of parts) {
      const own = values.slice(part.start, part.stop);
      const rows = strip ? Math.max(1, Math.round(own.length / 64)) : ROWS;
      const columns = Math.ceil(own.length / rows);
      const canvas = make("canvas", { role: "img", "aria-label": `${own.length} numbers${part.name ? `: ${part.name}` : ""}` });
      const figure = make("figure", { style: `flex:${columns} 1 0` }, canvas);
      if (part.name) {
        figure.append(make("figcaption", {}, make("b", {}, part.name), ` ${own.length} numbers, ${part.share}\u00a0%`));
      }
      place.append(figure);
      const draw = () => paint(canvas, own, rows, columns, strong);
      canvas.redraw = draw;
      drawn.add(canvas);
      widths.observe(canvas);
      draw();
      if (!strip) canvas.addEventListener("pointermove", (event) => point(event, canvas, own, part.start, rows, columns));
      if (!strip) canvas.addEventListener("pointerleave", () => told(canvas, ""));
    }
  }

  function paint(canvas, values, rows, columns, strong) {
    const width = canvas.clientWidth;
    if (!width) return;
    const scale = window.devicePixelRatio || 1;
    const cell = width / columns;
    const height = Math.round(cell * rows);
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const style = getComputedStyle(canvas);
    const colours = { over: style.getPropertyValue("--over"), below: style.getPropertyValue("--below"), none: style.getPropertyValue("--none") };
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const gap = cell > 5 ? 1 : 0;
    values.forEach((value, at) => {
      const x = (at % columns) * cell;
      const y = Math.floor(at / columns) * cell;
      pen.globalAlpha = 1;
      pen.fillStyle = colours.none;
      pen.fillRect(x, y, cell - gap, cell - gap);
      pen.globalAlpha = strong(value);
      pen.fillStyle = value > 0 ? colours.over : colours.below;
      pen.fillRect(x, y, cell - gap, cell - gap);
    });
  }

  const told = (canvas, text) => {
    const line = one(".told", canvas.closest("section"));
    if (line) line.textContent = text;
  };
  function point(event, canvas, values, start, rows, columns) {
    const box = canvas.getBoundingClientRect();
    const column = Math.min(columns - 1, Math.floor(((event.clientX - box.left) / box.width) * columns));
    const row = Math.min(rows - 1, Math.floor(((event.clientY - box.top) / box.height) * rows));
    const at = row * columns + column;
    told(canvas, at < values.length ? `number ${start + at + 1}: ${values[at].toFixed(4)}` : "");
  }

  const again = (canvas) => {
    if (canvas.isConnected) canvas.redraw();
    else {
      drawn.delete(canvas);
      widths.unobserve(canvas);
    }
  };
  const widths = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    if (target.clientWidth !== target.painted) {
      target.painted = target.clientWidth;
      again(target);
    }
  }));
  new MutationObserver(() => drawn.forEach(again)).observe(document.body, { attributes: true, attributeFilter: ["class"] });

  // ---- a file dropped on this tab is looked into, not searched by ----
  const here = () => Boolean(one("#inside")?.offsetParent);
  const carriesFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  document.addEventListener("dragenter", (event) => {
    if (here() && carriesFiles(event)) document.body.dataset.drop = "Drop to look inside";
  });
  document.addEventListener("drop", async (event) => {
    if (!here() || !carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation(); // before the page's own listener, which would search by it
    document.dispatchEvent(new DragEvent("dragleave", { dataTransfer: event.dataTransfer }));
    byFile((await dropped(event.dataTransfer))[0]);
  }, true);

  Object.assign(window.anyfind, { insideBox, inside, insideWays });
})();
