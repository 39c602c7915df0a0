/* The map of a two-dimensional latent space. A place is [column, row] of the atlas, fractions allowed, the
   first row at the top; a latent is [x, y]. What lies under a place is mixed from the cells around it, here,
   so moving asks the server for nothing. Two places make a way, a straight line through latent space. */
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const THIN = -0.6; // a logit: so small, digits are read better with thinner strokes
  const SHARP = 2; // two latents say little about a digit, so its ink is soft
  const EVERY = 30; // px from digit to digit on the map
  const FRAMES = 9; // of the strip of a way
  const PASS = 1700; // ms from one place to the other
  const PASSES = 3; // there, back, and there again
  const CLICK = 6; // px that a click may move

  class Chart {
    constructor(element) {
      const find = (selector) => element.querySelector(selector);
      Object.assign(this, {
        chart: find(".chart"), land: find(".land"), over: find(".over"), lens: find(".lens"), here: find(".here"),
        aloud: find(".aloud"), name: find(".glass .name"), again: find(".again"), track: find(".way"),
        strip: find(".way canvas"), marker: find(".way .marker"), classes: find(".classes"),
        layers: { digits: true, points: true, trail: true }, only: null, ends: [], trails: [], labels: [],
      });
      for (const box of element.querySelectorAll("[data-layer]"))
        box.addEventListener("change", () => ((this.layers[box.dataset.layer] = box.checked), this.paint()));
    }

    async show(map) {
      this.map = map;
      this.cells = await digitMorph.unpack(map.cells);
      this.last = this.cells.columns - 1;
      this.spots = map.points.map((point) => this.place(point));
      this.middles = [...Array(10).keys()].map((digit) => {
        const own = this.spots.filter((_, i) => map.labels[i] === digit);
        return own.length ? [0, 1].map((k) => own.map((spot) => spot[k]).sort((a, b) => a - b)[own.length >> 1]) : null;
      });
      this.at = this.middles[3] ?? [this.last / 2, this.last / 2];
      this.listen();
      this.chart.removeAttribute("aria-busy");
      this.paint();
      this.look(this.at);
    }

    listen() {
      const { chart, track } = this;
      chart.addEventListener("pointermove", (event) => this.move(event));
      chart.addEventListener("pointerdown", (event) => this.down(event));
      chart.addEventListener("pointerup", (event) => this.up(event));
      chart.addEventListener("keydown", (event) => this.key(event));
      this.again.addEventListener("click", () => (this.playing ? this.stop() : this.play()));
      track.addEventListener("pointerdown", (event) => {
        if (this.ends.length < 2 || event.button) return;
        track.setPointerCapture(event.pointerId);
        this.held = true;
        this.scrub(event);
      });
      track.addEventListener("pointermove", (event) => this.held && this.scrub(event));
      for (const name of ["pointerup", "pointercancel"]) track.addEventListener(name, () => (this.held = false));
      track.addEventListener("keydown", (event) => this.step(event));
      this.classes.append(
        ...this.middles.map((_, digit) => {
          const button = Object.assign(document.createElement("button"), { type: "button", textContent: digit });
          button.style.setProperty("--own", `var(--d${digit})`);
          button.setAttribute("aria-pressed", "false");
          button.setAttribute("aria-label", `The places of ${digit} alone`);
          button.addEventListener("click", () => {
            this.only = this.only === digit ? null : digit;
            for (const [i, other] of [...this.classes.children].entries())
              other.setAttribute("aria-pressed", String(this.only === i));
            this.paint();
          });
          return button;
        }),
      );
      new ResizeObserver(() => this.paint()).observe(chart);
      new MutationObserver(() => this.paint()).observe(document.body, { attributeFilter: ["class"] });
    }

    /* --- places and latents --- */

    place([x, y]) {
      return [fraction(this.map.across, x), fraction(this.map.up, y)];
    }

    latent([column, row]) {
      return [between(this.map.across, column), between(this.map.up, row)];
    }

    /* The place at a share of the way, which is straight in latent space and so a little bent on the map. */
    along(share) {
      const [from, to] = this.ends.map((end) => this.latent(end));
      return this.place(from.map((value, k) => value + share * (to[k] - value)));
    }

    reads([column, row]) {
      const [r, c] = [row, column].map((value) => Math.min(this.map.digits.length - 1, Math.round(value / 2)));
      return { digit: this.map.digits[r][c], sure: this.map.sure[r][c] };
    }

    levels([column, row]) {
      return digitMorph.mixed(this.cells, row, column);
    }

    inside([column, row]) {
      return column >= 0 && row >= 0 && column <= this.last && row <= this.last;
    }

    /* --- the pointer and the keys --- */

    under(event) {
      const box = this.chart.getBoundingClientRect();
      const share = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      return share.map((value) => this.last * Math.min(1, Math.max(0, value)));
    }

    move(event) {
      if (this.playing && !this.demo) return;
      if (this.demo) this.forget();
      this.look(this.under(event));
    }

    down(event) {
      if (event.button) return;
      this.pressed = [event.clientX, event.clientY];
      if (event.pointerType !== "mouse") this.chart.setPointerCapture(event.pointerId);
      if (!this.playing || this.demo) this.move(event);
    }

    up(event) {
      const [x, y] = this.pressed ?? [NaN, NaN];
      if (Math.hypot(event.clientX - x, event.clientY - y) < CLICK) this.mark(this.under(event));
      this.pressed = null;
    }

    key(event) {
      const step = (event.shiftKey ? 0.2 : 1) * (this.last / 40);
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (by) {
        if (this.playing) this.demo ? this.forget() : this.stop();
        this.look(this.at.map((value, k) => Math.min(this.last, Math.max(0, value + step * by[k]))));
      } else if (event.key === "Enter" || event.key === " ") this.mark(this.at);
      else if (event.key === "Escape") this.forget();
      else return;
      event.preventDefault();
    }

    /* A first place, or the second: then the way between them plays. */
    mark(place) {
      if (this.playing || this.ends.length > 1) this.forget();
      this.ends.push(place);
      this.look(place);
      if (this.ends.length === 2) this.way();
      else this.say("The first place is marked. Mark another.");
    }

    forget() {
      this.stop();
      this.demo = false;
      this.ends = [];
      this.again.disabled = true;
      this.name.textContent = "Under the pointer";
      digitMorph.fitted(this.strip);
      this.track.classList.remove("made");
      this.draw();
    }

    /* --- the way between two places --- */

    way(demo = false) {
      this.demo = demo;
      this.again.disabled = false;
      this.name.textContent = this.ends.map((end) => this.reads(end).digit).join(" becomes ");
      this.track.classList.add("made");
      this.film();
      this.go(0);
      if (!still.matches) this.play();
      if (!demo) this.say(`${this.name.textContent}, along a straight line through the latent space.`);
    }

    film() {
      const sheet = this.ends.length === 2 && digitMorph.fitted(this.strip);
      if (!sheet) return;
      const side = sheet.w / FRAMES;
      const colour = digitMorph.colour(this.strip);
      for (let i = 0; i < FRAMES; i++)
        digitMorph.crisp(sheet.pen, this.levels(this.along(i / (FRAMES - 1))), i * side, (sheet.h - side) / 2, side, colour, SHARP);
    }

    go(share) {
      this.share = share;
      this.marker.style.left = `${(100 * (0.5 + share * (FRAMES - 1))) / FRAMES}%`;
      this.track.setAttribute("aria-valuenow", Math.round(100 * share));
      const { digit } = this.reads(this.along(share));
      this.track.setAttribute("aria-valuetext", `${Math.round(100 * share)}% of the way, reads as ${digit}`);
      this.look(this.along(share), true);
    }

    play() {
      this.playing = true;
      this.again.textContent = "Stop";
      let start = null; // of the first frame, which on a slow device is dated well before now
      const frame = (now) => {
        if (!this.playing) return;
        start ??= now;
        const passed = (now - start) / PASS;
        const turn = passed % 2;
        const ease = (t) => t * t * (3 - 2 * t);
        if (passed >= PASSES && !this.demo) return this.go(1), this.stop();
        this.go(turn < 1 ? ease(turn) : ease(2 - turn));
        this.ticking = requestAnimationFrame(frame);
      };
      this.ticking = requestAnimationFrame(frame);
    }

    stop() {
      cancelAnimationFrame(this.ticking);
      this.playing = false;
      this.again.textContent = "Play";
    }

    scrub(event) {
      this.stop();
      const box = this.track.getBoundingClientRect();
      const share = ((event.clientX - box.left) / box.width) * FRAMES - 0.5;
      this.go(Math.min(1, Math.max(0, share / (FRAMES - 1))));
    }

    step(event) {
      if (this.ends.length < 2) return;
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      const to = { Home: 0, End: 1 }[event.key] ?? (by && Math.min(1, Math.max(0, this.share + by / 50)));
      if (to === undefined) return;
      event.preventDefault();
      this.stop();
      this.go(to);
    }

    /* --- drawing --- */

    /* Look at a place: the large digit, what it reads as, and where that is. */
    look(place, onTheWay = false) {
      this.at = place;
      const { digit, sure } = this.reads(place);
      const [x, y] = this.latent(place).map((value) => value.toFixed(2).replace("-", "−"));
      const [reading, certainty, where] = this.here.children;
      reading.textContent = sure < 0.5 ? "?" : digit;
      certainty.textContent = sure < 0.5 ? "between digits" : `${Math.min(99, Math.round(100 * sure))}% sure`;
      where.textContent = `at ${x}, ${y}`;
      if (!onTheWay) {
        const words = sure < 0.5 ? "Between digits" : `Reads as ${digit}`;
        this.say(`${words}, at ${x} and ${y}.`, 300);
      }
      if (this.due) return;
      this.due = requestAnimationFrame(() => ((this.due = 0), this.draw()));
    }

    say(text, after = 0) {
      clearTimeout(this.saying);
      this.saying = setTimeout(() => (this.aloud.textContent = text), after);
    }

    draw() {
      const glass = digitMorph.fitted(this.lens);
      if (glass) digitMorph.crisp(glass.pen, this.levels(this.at), 0, 0, glass.h, digitMorph.colour(this.lens), SHARP);
      const sheet = digitMorph.fitted(this.over);
      if (!sheet) return;
      const { pen, w, scale } = sheet;
      const style = getComputedStyle(this.over);
      const [paper, accent] = ["--sheet", "--pen"].map((name) => style.getPropertyValue(name).trim());
      const on = ([column, row]) => [(column / this.last) * w, (row / this.last) * w];
      const line = (places, width, colour) => {
        pen.beginPath();
        for (const place of places) pen.lineTo(...on(place));
        Object.assign(pen, { strokeStyle: colour, lineWidth: width * scale, lineJoin: "round", lineCap: "round" });
        pen.stroke();
      };
      const dot = (place, radius, fill) => {
        pen.beginPath();
        pen.arc(...on(place), radius * scale, 0, 2 * Math.PI);
        Object.assign(pen, { fillStyle: fill, strokeStyle: accent, lineWidth: 2 * scale });
        pen.fill();
        pen.stroke();
      };
      if (this.layers.trail)
        for (const { places, names } of this.trails) {
          line(places, 5, paper);
          line(places, 2, style.color);
          for (const [k, place] of [places.at(-1), places[0]].entries())
            flag(pen, on(place), names[1 - k], scale, style.color, paper);
        }
      const way = this.ends.length === 2 ? [...Array(33).keys()].map((i) => this.along(i / 32)) : [...this.ends, this.at];
      if (this.ends.length) {
        line(way, 6, paper);
        line(way, 2.5, accent);
        for (const end of this.ends) dot(end, 5, paper);
      }
      dot(this.at, 6.5, this.ends.length ? accent : "transparent");
    }

    /* The map itself: what reads as which digit as a wash of colour, the digits, the points, the names. */
    paint() {
      const sheet = this.cells && digitMorph.fitted(this.land);
      if (!sheet) return;
      const { pen, w, scale } = sheet;
      const colours = [...Array(10).keys()].map((digit) => this.tint(digit));
      wash(pen, w, this.map, colours);
      const faint = this.layers.points && this.spots.length;
      if (this.layers.digits) {
        const across = Math.round(w / scale / EVERY);
        const side = w / across;
        const ink = digitMorph.colour(this.land);
        pen.globalAlpha = faint ? 0.5 : 0.92;
        for (let i = 0; i < across * across; i++) {
          const [row, column] = [Math.floor(i / across), i % across];
          const place = [column, row].map((value) => (this.last * (value + 0.5)) / across);
          digitMorph.crisp(pen, this.levels(place), column * side, row * side, side, ink, SHARP, THIN);
        }
      }
      if (faint) {
        pen.globalAlpha = 0.85;
        const radius = (this.only === null ? 1 : 1.3) * Math.max(1.5, (2.1 * w) / scale / 540) * scale;
        const count = this.spots.length;
        for (let k = 0; k < count; k++) {
          const i = (k * 7919) % count; // a prime: no digit lies on top of all others
          const digit = this.map.labels[i];
          if (!this.inside(this.spots[i]) || (this.only ?? digit) !== digit) continue;
          pen.fillStyle = `rgb(${colours[digit]})`;
          pen.beginPath();
          pen.arc(...this.spots[i].map((value) => (value / this.last) * w), radius, 0, 2 * Math.PI);
          pen.fill();
        }
        pen.globalAlpha = 1;
        const style = getComputedStyle(this.land);
        this.middles.forEach((middle, digit) => {
          if (!middle || (this.only ?? digit) !== digit) return;
          const [x, y] = middle.map((value) => (value / this.last) * w);
          pen.font = `700 ${26 * scale}px ${style.fontFamily}`;
          Object.assign(pen, { textAlign: "center", textBaseline: "middle", lineJoin: "round", lineWidth: 5 * scale });
          Object.assign(pen, { strokeStyle: style.backgroundColor, fillStyle: `rgb(${colours[digit]})` });
          pen.strokeText(digit, x, y);
          pen.fillText(digit, x, y);
        });
      }
      pen.globalAlpha = 1;
      this.film();
      this.draw();
    }

    tint(digit) {
      return digitMorph.colour(this.classes.children[digit] ?? this.land);
    }

    /* The visitor's last morph on the map: `lines[place][frame]` latents, and the numbers it joins. */
    trace(lines, numbers) {
      this.trails = lines.map((line, i) => ({
        places: line.map((point) => this.place(point)),
        names: [numbers[0][i], numbers.at(-1)[i]],
      }));
      this.draw();
    }

    /* Until the visitor moves, the map plays a morph by itself. */
    demonstrate(from, to) {
      if (this.ends.length || !this.middles[from] || !this.middles[to]) return;
      this.ends = [this.middles[from], this.middles[to]];
      this.way(true);
    }
  }

  /* A digit in a circle at a place of the map. */
  function flag(pen, [x, y], text, scale, ink, paper) {
    pen.beginPath();
    pen.arc(x, y, 9.5 * scale, 0, 2 * Math.PI);
    Object.assign(pen, { fillStyle: paper, strokeStyle: ink, lineWidth: 1.5 * scale });
    pen.fill();
    pen.stroke();
    pen.font = `600 ${13 * scale}px sans-serif`;
    Object.assign(pen, { fillStyle: ink, textAlign: "center", textBaseline: "middle" });
    pen.fillText(text, x, y + scale);
  }

  /* What every place reads as, in the colour of that digit, the surer the stronger. */
  function wash(pen, side, map, colours) {
    const cells = map.digits.length;
    const image = new ImageData(cells, cells);
    map.digits.flat().forEach((digit, i) => {
      image.data.set(colours[digit], 4 * i);
      image.data[4 * i + 3] = 60 * map.sure.flat()[i];
    });
    const canvas = Object.assign(document.createElement("canvas"), { width: cells, height: cells });
    canvas.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(canvas, 0, 0, side, side);
  }

  /* Where a value lies among the steps of an axis, rising or falling, as an index with its fraction. */
  function fraction(axis, value) {
    const rises = axis[1] > axis[0];
    let i = 0;
    while (i < axis.length - 2 && (rises ? axis[i + 1] < value : axis[i + 1] > value)) i++;
    return i + (value - axis[i]) / (axis[i + 1] - axis[i]);
  }

  function between(axis, index) {
    const i = Math.min(axis.length - 2, Math.floor(index));
    return axis[i] + (index - i) * (axis[i + 1] - axis[i]);
  }

  digitMorph.Chart = Chart;
})();
