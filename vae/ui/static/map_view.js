/* The map of a two-dimensional latent space, with a lens on one of its places: pointer, finger and keys move
   over it and mark places. Two marked places make a path. */
(() => {
  const CLICK = 6; // px that a click may move
  const PICTURE = 420; // px of a marked digit that is taken further

  digitMorph.MapView = class {
    constructor(element) {
      const find = (selector) => element.querySelector(selector);
      Object.assign(this, {
        box: find(".map"), base: find(".map .base"), overlay: find(".map .overlay"), lens: find(".lens"),
        readout: find(".readout"), spoken: find(".spoken"), name: find(".inspector .name"), classes: find(".classes"),
        layers: { digits: true, points: true, trail: true }, only: null, marks: [], trails: [],
      });
      this.path = new digitMorph.PathPlayer(element, (place) => this.look(place, true));
      for (const box of element.querySelectorAll("[data-layer]"))
        box.addEventListener("change", () => { this.layers[box.dataset.layer] = box.checked; this.paint(); });
    }

    async show(made) {
      this.map = new digitMorph.LatentMap(made, await digitMorph.unpack(made.cells));
      this.last = this.map.last;
      this.at = this.map.middles[3] ?? [this.last / 2, this.last / 2];
      this.listen();
      this.box.removeAttribute("aria-busy");
      this.paint();
      this.look(this.at);
    }

    listen() {
      const { box } = this;
      box.addEventListener("pointermove", (event) => this.move(event));
      box.addEventListener("pointerdown", (event) => this.down(event));
      box.addEventListener("pointerup", (event) => this.up(event));
      box.addEventListener("keydown", (event) => this.key(event));
      const press = digitMorph.choices(this.classes, [...Array(10).keys()], (digit) => {
        this.only = this.only === digit ? null : digit;
        press(this.only);
        this.paint();
      });
      for (const [digit, button] of [...this.classes.children].entries()) {
        button.style.setProperty("--own", `var(--d${digit})`);
        button.setAttribute("aria-label", `The places of ${digit} alone`);
      }
      digitMorph.onRepaint(box, () => this.paint());
    }

    /* --- the pointer and the keys --- */

    under(event) {
      return digitMorph.shares(this.box, event).map((share) => this.last * share);
    }

    move(event) {
      if (this.path.playing && !this.demo) return;
      if (this.demo) this.forget();
      this.look(this.under(event));
    }

    down(event) {
      if (event.button) return;
      this.pressed = [event.clientX, event.clientY];
      if (event.pointerType !== "mouse") this.box.setPointerCapture(event.pointerId);
      if (!this.path.playing || this.demo) this.move(event);
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
        if (this.path.playing && this.demo) this.forget();
        else if (this.path.playing) this.path.stop();
        this.look(this.at.map((value, k) => Math.min(this.last, Math.max(0, value + step * by[k]))));
      } else if (event.key === "Enter" || event.key === " ") this.mark(this.at);
      else if (event.key === "Escape") this.forget();
      else return;
      event.preventDefault();
    }

    /* --- marked places --- */

    /* A first place, or the second: then the path between them plays. */
    mark(place) {
      if (this.path.made) this.forget();
      this.marks.push(place);
      this.look(place);
      if (this.marks.length === 2) this.go();
      else this.say("The first place is marked. Mark another.");
    }

    go(demo = false) {
      this.demo = demo;
      this.name.textContent = this.marks.map((mark) => this.map.reads(mark).digit).join(" becomes ");
      this.path.begin(this.map, this.marks, demo);
      if (!demo) this.say(`${this.name.textContent}, along a straight line through the latent space.`);
    }

    forget() {
      this.path.forget();
      this.demo = false;
      this.marks = [];
      this.name.textContent = "Under the pointer";
      this.draw();
    }

    /* The digits of the marked places, black on white, as PNGs. */
    pictures() {
      return this.marks.map((mark) => {
        const { canvas, pen } = digitMorph.paper(PICTURE, PICTURE);
        this.map.digit(pen, mark, 0, 0, PICTURE, [0, 0, 0]);
        return canvas.toDataURL("image/png");
      });
    }

    /* Until the visitor moves, the map plays a morph by itself. */
    demonstrate(from, to) {
      const { middles } = this.map;
      if (this.marks.length || !middles[from] || !middles[to]) return;
      this.marks = [middles[from], middles[to]];
      this.go(true);
    }

    /* The visitor's last morph on the map: `lines[place][frame]` latents, of the places that all of the numbers
       have, which are aligned at their right ends. */
    trace(lines, numbers) {
      const [first, last] = [numbers[0], numbers.at(-1)].map((number) => number.slice(-lines.length));
      this.trails = lines.map((line, i) => ({
        places: line.map((point) => this.map.place(point)),
        names: [first[i], last[i]],
      }));
      this.draw();
    }

    /* --- what is seen and said --- */

    /* Look at a place: the large digit, what it reads as, and where that is. */
    look(place, alongPath = false) {
      this.at = place;
      const { digit, sure } = this.map.reads(place);
      const [x, y] = this.map.latent(place).map((value) => value.toFixed(2).replace("-", "−"));
      const [reading, certainty, where] = this.readout.children;
      reading.textContent = sure < 0.5 ? "?" : digit;
      certainty.textContent = sure < 0.5 ? "between digits" : `${Math.min(99, Math.round(100 * sure))}% sure`;
      where.textContent = `at ${x}, ${y}`;
      if (!alongPath) {
        const words = sure < 0.5 ? "Between digits" : `Reads as ${digit}`;
        this.say(`${words}, at ${x} and ${y}.`, 300);
      }
      if (this.due) return;
      this.due = requestAnimationFrame(() => { this.due = 0; this.draw(); });
    }

    say(text, after = 0) {
      clearTimeout(this.saying);
      this.saying = setTimeout(() => { this.spoken.textContent = text; }, after);
    }

    paint() {
      if (!this.map) return;
      const colours = [...Array(10).keys()].map((digit) => digitMorph.colour(this.classes.children[digit]));
      this.map.paint(this.base, colours, this.layers, this.only);
      this.path.drawStrip();
      this.draw();
    }

    /* The lens; and over the map the last morph, the path, and where the lens is. */
    draw() {
      this.map.drawDigits(this.lens, 1, [this.at]);
      const fitted = digitMorph.fitCanvas(this.overlay);
      if (!fitted) return;
      const { pen, w, scale } = fitted;
      const style = getComputedStyle(this.overlay);
      const [paper, accent] = ["--sheet", "--pen"].map((name) => style.getPropertyValue(name).trim());
      const on = ([column, row]) => [(column / this.last) * w, (row / this.last) * w];
      const line = (places, width, colour) => {
        pen.beginPath();
        for (const place of places) pen.lineTo(...on(place));
        Object.assign(pen, { strokeStyle: colour, lineWidth: width * scale, lineJoin: "round", lineCap: "round" });
        pen.stroke();
      };
      const dot = (place, radius, fillStyle) =>
        digitMorph.circle(pen, on(place), radius * scale, { fillStyle, strokeStyle: accent, lineWidth: 2 * scale });
      if (this.layers.trail)
        for (const { places, names } of this.trails) {
          line(places, 5, paper);
          line(places, 2, style.color);
          for (const [k, place] of [places.at(-1), places[0]].entries())
            flag(pen, on(place), names[1 - k], scale, style.color, paper);
        }
      if (this.marks.length) {
        const path = this.path.made ? this.path.places(33) : [...this.marks, this.at];
        line(path, 6, paper);
        line(path, 2.5, accent);
        for (const mark of this.marks) dot(mark, 5, paper);
      }
      dot(this.at, 6.5, this.marks.length ? accent : "transparent");
    }
  };

  /* A digit in a circle at a place of the map. */
  function flag(pen, [x, y], text, scale, ink, paper) {
    digitMorph.circle(pen, [x, y], 9.5 * scale, { fillStyle: paper, strokeStyle: ink, lineWidth: 1.5 * scale });
    pen.font = `600 ${13 * scale}px sans-serif`;
    Object.assign(pen, { fillStyle: ink, textAlign: "center", textBaseline: "middle" });
    pen.fillText(text, x, y + scale);
  }
})();
