// A map of many points on a canvas: drawing, moving, choosing. It needs nothing else of the page,
// so that an exported map is this script and its data. Titles reach it as text, never as HTML.
(() => {
  window.anyfind ||= {};
  const MEDIA = {
    image: ["Pictures", "#4f7be0"], audio: ["Sounds", "#e08a2e"], film: ["Films", "#c2497d"],
    text: ["Texts", "#3d9b6c"], graph: ["Graphs", "#8a63c9"],
  };
  const NONE = "#8d909a"; // what belongs to no cluster
  const CELLS = 96; // a side of the grid that finds the points near a place
  const THUMBS = 500; // with fewer points in sight they are shown as pictures
  const ABOVE = 34; // pixels between the name of a cluster and the middle of its highest picture
  const HELD = 600; // pictures kept
  const STRETCH = 1.8; // how much wider than high the same distance may be
  const REACH = 14; // pixels within which the pointer finds a point

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
    node.append(...children);
    return node;
  }
  // by the golden angle: neighbours in the list differ most
  const hue = (at) => `hsl(${(at * 137.5 + 220) % 360} ${58 + (at % 3) * 10}% ${46 + (at % 2) * 10}%)`;

  // data: {x, y, titles, kinds, clusters, names, ids?}; how: {preview(at), open(at), select(list)}
  function atlas(box, data, how = {}) {
    const count = data.x.length;
    const xs = Float32Array.from(data.x);
    const ys = Float32Array.from(data.y);
    const canvas = make("canvas", {
      tabindex: "0", role: "application",
      "aria-label": `Map of ${count} items. Arrow keys move it, plus and minus zoom, Enter opens the item in the middle.`,
    });
    const tip = make("div", { class: "tip", hidden: "" });
    const sheet = make("div", { class: "sheet" }, canvas, tip);
    const legend = make("div", { class: "legend", role: "group", "aria-label": "Legend" });
    box.replaceChildren(sheet, legend);
    const paper = canvas.getContext("2d");
    let width = 0;
    let height = 0;
    let ratio = 1;
    const view = { x: 0, y: 0, scale: 1 };
    let least = 1;
    let stretch = 1; // of the horizontal, so that the map fills its room
    let cut = "cluster"; // what the colours tell apart
    let groups = []; // {name, colour, members}
    let group = new Int16Array(count); // of each point
    let only = null; // the group that is shown alone
    let chosen = new Set();
    let path = null; // of the lasso, in pixels
    let lassoing = false;
    let hovered = -1;
    let middle = -1; // the point that the keyboard is at

    // ---- which points are near ----
    const cellOf = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(((value + 1.25) / 2.5) * CELLS)));
    const starts = new Int32Array(CELLS * CELLS + 1);
    const inCells = new Int32Array(count);
    {
      const cells = new Int32Array(count);
      for (let at = 0; at < count; at += 1) {
        cells[at] = cellOf(ys[at]) * CELLS + cellOf(xs[at]);
        starts[cells[at] + 1] += 1;
      }
      for (let cell = 0; cell < CELLS * CELLS; cell += 1) starts[cell + 1] += starts[cell];
      const next = starts.slice(0, -1);
      for (let at = 0; at < count; at += 1) inCells[next[cells[at]]++] = at;
    }
    function within(left, top, right, bottom, each) {
      const [c0, c1, r0, r1] = [cellOf(left), cellOf(right), cellOf(top), cellOf(bottom)];
      for (let row = r0; row <= r1; row += 1) {
        for (let at = starts[row * CELLS + c0]; at < starts[row * CELLS + c1 + 1]; at += 1) {
          const point = inCells[at];
          if (xs[point] >= left && xs[point] <= right && ys[point] >= top && ys[point] <= bottom) each(point);
        }
      }
    }
    const toX = (at) => (xs[at] - view.x) * view.scale * stretch + width / 2;
    const toY = (at) => (ys[at] - view.y) * view.scale + height / 2;
    const fromX = (x) => (x - width / 2) / (view.scale * stretch) + view.x;
    const fromY = (y) => (y - height / 2) / view.scale + view.y;
    function nearest(x, y, reach) {
      let best = -1;
      let found = reach * reach;
      within(fromX(x - reach), fromY(y - reach), fromX(x + reach), fromY(y + reach), (at) => {
        if (only !== null && group[at] !== only) return;
        const far = (toX(at) - x) ** 2 + (toY(at) - y) ** 2;
        if (far < found) [best, found] = [at, far];
      });
      return best;
    }

    // ---- pictures of points ----
    const images = new Map();
    let loading = 0;
    const waiting = [];
    function image(at) {
      const known = images.get(at);
      if (known !== undefined) return known;
      const source = how.preview?.(at);
      images.set(at, null);
      if (!source) return null;
      if (images.size > HELD) images.delete(images.keys().next().value);
      waiting.push([at, source]);
      load();
      return null;
    }
    function load() {
      while (loading < 6 && waiting.length) {
        const [at, source] = waiting.pop(); // what was asked for last is in sight
        const picture = new Image();
        loading += 1;
        const done = () => {
          loading -= 1;
          load();
          draw();
        };
        picture.onload = async () => {
          const part = 192 / Math.max(picture.naturalWidth, picture.naturalHeight, 1);
          const small = await createImageBitmap(picture, {
            resizeWidth: Math.max(1, Math.round(picture.naturalWidth * part)),
            resizeHeight: Math.max(1, Math.round(picture.naturalHeight * part)), resizeQuality: "medium",
          }).catch(() => picture);
          images.set(at, small);
          done();
        };
        picture.onerror = done;
        picture.src = source;
      }
    }

    // ---- drawing ----
    let asked = false;
    function draw() {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        paint();
      });
    }
    const dots = new Map();
    function dot(colour, radius) {
      const key = `${colour}${radius}`;
      if (!dots.has(key)) {
        if (dots.size > 300) dots.clear();
        const side = Math.ceil(2 * radius * ratio) + 2;
        const sprite = make("canvas", { width: side, height: side });
        const pen = sprite.getContext("2d");
        pen.fillStyle = colour;
        pen.beginPath();
        pen.arc(side / 2, side / 2, radius * ratio, 0, 7);
        pen.fill();
        dots.set(key, sprite);
      }
      return dots.get(key);
    }
    const style = (name) => getComputedStyle(box).getPropertyValue(name).trim();
    let ink = "#222";
    let ground = "#fff";
    function paint() {
      if (!width) return;
      paper.setTransform(ratio, 0, 0, ratio, 0, 0);
      paper.clearRect(0, 0, width, height);
      const seen = [];
      within(fromX(-40), fromY(-40), fromX(width + 40), fromY(height + 40), (at) => seen.push(at));
      const zoom = view.scale / least;
      const crowd = Math.sqrt((width * height) / Math.max(seen.length, 1));
      const radius = Math.round(Math.min(6, Math.max(1.4, crowd / 5)) * 4) / 4;
      const side = radius * 1.8;
      const faint = only !== null || chosen.size > 0;
      const lit = (at) => (only === null || group[at] === only) && (!chosen.size || chosen.has(at));
      const byGroup = groups.map(() => []);
      const behind = [];
      for (const at of seen) (lit(at) ? byGroup[group[at]] : behind).push(at);
      if (faint) {
        paper.fillStyle = ink;
        paper.globalAlpha = 0.1;
        for (const at of behind) paper.fillRect(toX(at) - side / 2, toY(at) - side / 2, side, side);
        paper.globalAlpha = 1;
      }
      byGroup.forEach((members, of) => {
        const { colour } = groups[of];
        paper.fillStyle = colour;
        if (radius < 2.6) {
          for (const at of members) paper.fillRect(toX(at) - side / 2, toY(at) - side / 2, side, side);
          return;
        }
        const sprite = dot(colour, radius);
        const wide = sprite.width / ratio;
        for (const at of members) paper.drawImage(sprite, toX(at) - wide / 2, toY(at) - wide / 2, wide, wide);
      });
      areas = [];
      if (how.preview && seen.length <= THUMBS) pictures(seen.filter(lit), crowd);
      names(zoom);
      for (const at of [hovered, middle]) {
        if (at < 0) continue;
        paper.strokeStyle = ink;
        paper.lineWidth = 2;
        paper.beginPath();
        paper.arc(toX(at), toY(at), radius + 4, 0, 7);
        paper.stroke();
      }
      if (path) {
        paper.strokeStyle = ink;
        paper.setLineDash([5, 4]);
        paper.lineWidth = 1.5;
        paper.beginPath();
        path.forEach(([x, y], at) => (at ? paper.lineTo(x, y) : paper.moveTo(x, y)));
        paper.closePath();
        paper.stroke();
        paper.setLineDash([]);
      }
    }

    // Pictures where they have room: one where several would lie on each other.
    let areas = []; // where they lie: [left, top, right, bottom, point], the last on top
    function pictures(points, crowd) {
      const size = Math.min(96, Math.max(30, crowd * 0.6));
      const taken = new Map();
      const order = points.sort((a, b) => (a * 2654435761) % 4294967296 - (b * 2654435761) % 4294967296);
      for (const at of order) {
        const [x, y] = [toX(at), toY(at)];
        const [column, row] = [Math.floor(x / size), Math.floor(y / size)];
        let free = true;
        for (let c = column - 1; c <= column + 1 && free; c += 1) {
          for (let r = row - 1; r <= row + 1 && free; r += 1) {
            const other = taken.get(`${c},${r}`);
            free = !other || Math.max(Math.abs(other[0] - x), Math.abs(other[1] - y)) >= size * 0.86;
          }
        }
        if (!free) continue;
        const picture = image(at);
        if (!picture) continue;
        taken.set(`${column},${row}`, [x, y]);
        const part = (size * 0.9) / Math.max(picture.width, picture.height);
        const [w, h] = [picture.width * part, picture.height * part];
        paper.fillStyle = groups[group[at]].colour;
        paper.fillRect(x - w / 2 - 2, y - h / 2 - 2, w + 4, h + 4);
        paper.fillStyle = "#fff";
        paper.fillRect(x - w / 2, y - h / 2, w, h);
        paper.drawImage(picture, x - w / 2, y - h / 2, w, h);
        areas.push([x - w / 2, y - h / 2, x + w / 2, y + h / 2, at]);
      }
    }

    // Where clusters are: the median of their members, and the highest of them.
    const centres = data.names.map(() => [[], []]);
    data.clusters.forEach((cluster, at) => {
      if (cluster >= 0) centres[cluster].forEach((list, axis) => list.push(axis ? ys[at] : xs[at]));
    });
    const medians = centres.map((axes) => axes.map((list) => list.sort((a, b) => a - b)[list.length >> 1] || 0));
    const tops = centres.map(([, sorted]) => sorted[0]);
    function names(zoom) {
      if (cut === "label") return; // the user's own groups are what is looked at
      const size = 13;
      paper.font = `600 ${size}px ui-sans-serif, system-ui, sans-serif`;
      paper.textAlign = "center";
      paper.textBaseline = "middle";
      paper.lineJoin = "round";
      const taken = [];
      data.names.forEach((text, of) => { // the largest first
        if (!centres[of][0].length) return; // its members have been removed since
        const half = paper.measureText(text).width / 2 + 6;
        const middle = (medians[of][0] - view.x) * view.scale * stretch + width / 2;
        // above pictures, which it would hide; else in the midst of the points
        const above = areas.length > 0 ? ABOVE : 0;
        const down = (value) => (value - view.y) * view.scale + height / 2;
        let y = above ? down(tops[of]) - above : down(medians[of][1]);
        if (middle < 0 || middle > width || down(medians[of][1]) < 0 || y > height - 10) return;
        const x = Math.min(Math.max(middle, half + 4), width - half - 4);
        y = Math.max(y, 15);
        if (taken.some(([tx, ty, th]) => Math.abs(tx - x) < th + half && Math.abs(ty - y) < size + 7)) return;
        taken.push([x, y, half]);
        paper.globalAlpha = zoom > 6 ? 0.75 : 1;
        paper.fillStyle = ground;
        paper.beginPath();
        paper.roundRect(x - half, y - 11, 2 * half, 22, 11);
        paper.globalAlpha *= 0.82;
        paper.fill();
        paper.globalAlpha = 1;
        paper.fillStyle = ink;
        paper.fillText(text, x, y + 0.5);
      });
    }

    // ---- colours ----
    function colour(by, labels = null) {
      only = null;
      cut = by;
      const named = new Map();
      const of = (name, tint) => {
        if (!named.has(name)) named.set(name, { name, colour: tint, members: 0, at: named.size });
        return named.get(name);
      };
      if (by === "medium") for (const [name, tint] of Object.values(MEDIA)) of(name, tint);
      if (by === "cluster") data.names.forEach((name, at) => of(`${at}`, hue(at)));
      if (by === "label") labels.names.forEach((name, at) => of(name, hue(at)));
      for (let at = 0; at < count; at += 1) {
        const cluster = data.clusters[at];
        const found = by === "medium" ? of(MEDIA[data.kinds[at]][0])
          : by === "label" ? labels.of[at] < 0 ? of("not sorted", NONE) : of(labels.names[labels.of[at]])
            : cluster < 0 ? of("none", NONE) : of(`${cluster}`);
        found.members += 1;
        group[at] = found.at;
      }
      groups = [...named.values()].map((one) => ({
        ...one,
        name: by !== "cluster" ? one.name : one.name === "none" ? "no cluster" : data.names[Number(one.name)],
      }));
      legend.replaceChildren(...groups.filter((one) => one.members).map((one) => {
        const button = make("button", { type: "button", class: "key", "aria-pressed": "false" },
          make("i", { style: `background:${one.colour}` }), make("span", {}, one.name),
          make("small", {}, one.members.toLocaleString("en")));
        button.addEventListener("click", () => {
          only = only === one.at ? null : one.at;
          for (const other of legend.children) other.setAttribute("aria-pressed", only !== null && other === button);
          legend.classList.toggle("only", only !== null);
          draw();
        });
        return button;
      }));
      legend.classList.remove("only");
      draw();
    }

    // ---- moving ----
    function clamp() {
      view.scale = Math.min(Math.max(view.scale, least * 0.7), least * 400);
      view.x = Math.min(Math.max(view.x, -1.3), 1.3);
      view.y = Math.min(Math.max(view.y, -1.3), 1.3);
      draw();
    }
    function zoom(by, x = width / 2, y = height / 2) {
      const [wx, wy] = [fromX(x), fromY(y)];
      view.scale = Math.min(Math.max(view.scale * by, least * 0.7), least * 400);
      view.x = wx - (x - width / 2) / (view.scale * stretch);
      view.y = wy - (y - height / 2) / view.scale;
      clamp();
    }
    function fit() {
      let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
      for (let at = 0; at < count; at += 1) {
        left = Math.min(left, xs[at]);
        right = Math.max(right, xs[at]);
        top = Math.min(top, ys[at]);
        bottom = Math.max(bottom, ys[at]);
      }
      if (!count) [left, right, top, bottom] = [-1, 1, -1, 1];
      view.x = (left + right) / 2;
      view.y = (top + bottom) / 2;
      const room = width < 600 ? 24 : 60;
      const across = (width - 2 * room) / Math.max(right - left, 0.01);
      const down = (height - 2 * room) / Math.max(bottom - top, 0.01);
      stretch = Math.min(Math.max(across / down, 1), STRETCH);
      least = Math.min(across / stretch, down);
      view.scale = least;
      clamp();
    }
    new ResizeObserver(() => {
      const first = !width;
      width = canvas.clientWidth;
      height = canvas.clientHeight;
      if (!width) return;
      ratio = Math.min(window.devicePixelRatio || 1, 2);
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      dots.clear();
      ink = style("--ink") || ink;
      ground = style("--card") || ground;
      if (first || view.scale === least) fit(); // what was whole stays whole
      else draw();
    }).observe(canvas);

    const place = (event) => {
      const corner = canvas.getBoundingClientRect();
      return [event.clientX - corner.left, event.clientY - corner.top];
    };
    const under = (x, y) => {
      const inSight = areas.findLast(([l, t, r, b]) => x >= l && x <= r && y >= t && y <= b);
      return inSight ? inSight[4] : nearest(x, y, REACH);
    };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), ...place(event));
    }, { passive: false });
    const pointers = new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      moved = 0;
      hover(-1);
      if ((event.shiftKey || lassoing) && pointers.size === 1) path = [place(event)];
      else if (pointers.size > 1) path = null;
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      const from = pointers.get(event.pointerId);
      if (!from) {
        if (event.pointerType !== "touch") hover(under(x, y), x, y);
        return;
      }
      moved += Math.hypot(x - from[0], y - from[1]);
      if (path) path.push([x, y]);
      else if (pointers.size === 1) {
        view.x -= (x - from[0]) / (view.scale * stretch);
        view.y -= (y - from[1]) / view.scale;
      } else {
        const [other] = [...pointers.entries()].find(([id]) => id !== event.pointerId).slice(1);
        const before = Math.hypot(from[0] - other[0], from[1] - other[1]);
        zoom(Math.hypot(x - other[0], y - other[1]) / Math.max(before, 1), (x + other[0]) / 2, (y + other[1]) / 2);
      }
      pointers.set(event.pointerId, [x, y]);
      clamp();
    });
    const up = (event) => {
      if (!pointers.delete(event.pointerId)) return;
      const [x, y] = place(event);
      if (path) {
        const drawn = path;
        path = null;
        if (drawn.length > 2) choose(inside(drawn));
        draw();
      } else if (moved < 6 && event.type === "pointerup") {
        const at = under(x, y);
        if (at >= 0) how.open?.(at);
        else if (chosen.size) choose([]);
      }
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("pointerleave", () => hover(-1));
    canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const step = 60 / view.scale;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (moves[event.key]) {
        view.x += moves[event.key][0] / stretch;
        view.y += moves[event.key][1];
      } else if (event.key === "+" || event.key === "=") zoom(1.4);
      else if (event.key === "-") zoom(1 / 1.4);
      else if (event.key === "0") fit();
      else if (event.key === "Enter" && middle >= 0) how.open?.(middle);
      else if (event.key === "Escape" && chosen.size) choose([]);
      else return;
      event.preventDefault();
      middle = nearest(width / 2, height / 2, Math.max(width, height) / 2);
      hover(middle, middle < 0 ? 0 : toX(middle), middle < 0 ? 0 : toY(middle));
      clamp();
    });
    canvas.addEventListener("blur", () => {
      middle = -1;
      draw();
    });

    function hover(at, x = 0, y = 0) {
      canvas.style.cursor = lassoing ? "crosshair" : at >= 0 ? "pointer" : "grab";
      if (at !== hovered) {
        hovered = at;
        draw();
        tip.hidden = at < 0;
        if (at < 0) return;
        const source = how.preview?.(at);
        const cluster = data.clusters[at];
        tip.replaceChildren(
          ...(source ? [make("img", { src: source, alt: "" })] : []),
          make("b", {}, data.titles[at]),
          make("small", {}, [MEDIA[data.kinds[at]][0].slice(0, -1).toLowerCase(), cluster < 0 ? null : data.names[cluster]].filter(Boolean).join(" · ")),
        );
      }
      if (at < 0) return;
      const wide = tip.offsetWidth || 200;
      const tall = tip.offsetHeight || 160;
      tip.style.left = `${Math.min(Math.max(8, x + 16), Math.max(8, width - wide - 8))}px`;
      tip.style.top = `${y + tall + 20 < height ? y + 16 : Math.max(8, y - tall - 16)}px`;
    }

    // ---- choosing ----
    function inside(shape) {
      const left = Math.min(...shape.map(([x]) => x));
      const right = Math.max(...shape.map(([x]) => x));
      const top = Math.min(...shape.map(([, y]) => y));
      const bottom = Math.max(...shape.map(([, y]) => y));
      const found = [];
      within(fromX(left), fromY(top), fromX(right), fromY(bottom), (at) => {
        if (only !== null && group[at] !== only) return;
        const [x, y] = [toX(at), toY(at)];
        let odd = false;
        for (let a = 0, b = shape.length - 1; a < shape.length; b = a, a += 1) {
          const [xa, ya] = shape[a];
          const [xb, yb] = shape[b];
          if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) odd = !odd;
        }
        if (odd) found.push(at);
      });
      return found;
    }
    function choose(list) {
      chosen = new Set(list);
      lasso(false);
      how.select?.(list);
      draw();
    }
    function lasso(on) {
      lassoing = on;
      sheet.classList.toggle("lassoing", on);
      canvas.style.cursor = on ? "crosshair" : "grab";
      how.lassoing?.(on);
    }
    colour(data.names.length > 1 ? "cluster" : "medium");
    return { colour, lasso, fit, zoom, choose, at: (index) => [toX(index), toY(index)], get lassoing() { return lassoing; } };
  }

  window.anyfind.atlas = atlas;
})();
