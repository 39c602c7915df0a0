/* Films on canvases of our own: logits of 28 rows, enlarged here, so that a few kilobytes are crisp at any
   size and in the page's own ink; and the clock that several of them follow in step. */
(() => {
  const ROWS = 28;
  const LEVELS = 63; // vae/ui/film.py
  const GAIN = 3.4; // of the logits: contours are crisp, and what is grey stays grey
  const MOST = 336; // px of a picture's height
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const OPACITY = Uint8ClampedArray.from({ length: 1024 }, (_, i) => {
    const logit = Math.log(49) * ((2 * i) / 1023 - 1);
    return 255 / (1 + Math.exp(-GAIN * logit));
  });

  /* What vae/ui/film.py packed -> film(entry, frame): ROWS x columns levels. */
  digitMorph.film = async (packed, frames, columns) => {
    const stream = new Blob([digitMorph.bytes(packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const levels = new Uint8Array(await new Response(stream).arrayBuffer());
    const size = ROWS * columns;
    for (let start = 0; start < levels.length; start += size * frames)
      for (let i = start + size; i < start + size * frames; i++) levels[i] += levels[i - size];
    return (entry, frame) => levels.subarray((entry * frames + frame) * size, (entry * frames + frame + 1) * size);
  };

  /* Cubic B-spline weights that resample n pixels to m, four taps each, as in vae/render.py. */
  const splines = new Map();
  function spline(n, m) {
    const key = n * 10_000 + m;
    if (splines.has(key)) return splines.get(key);
    const taps = { index: new Int32Array(4 * m), weight: new Float32Array(4 * m) };
    for (let i = 0; i < m; i++) {
      const centre = ((i + 0.5) * n) / m - 0.5;
      for (let tap = 0; tap < 4; tap++) {
        const pixel = Math.floor(centre) + tap - 1;
        const t = Math.abs(centre - pixel);
        taps.index[4 * i + tap] = Math.min(n - 1, Math.max(0, pixel));
        taps.weight[4 * i + tap] = t < 1 ? 2 / 3 - t * t * (1 - t / 2) : Math.max(0, 2 - t) ** 3 / 6;
      }
    }
    splines.set(key, taps);
    return taps;
  }

  /* Draw levels (ROWS x columns) on a canvas, as large as it is shown, in the colour that it has. */
  digitMorph.develop = (canvas, levels) => {
    const columns = levels.length / ROWS;
    const high = canvas.clientHeight, wide = canvas.clientWidth;
    if (!high || !wide) return;
    const shown = Math.min(high, (wide * ROWS) / columns) * Math.min(2, devicePixelRatio);
    const h = Math.max(ROWS, Math.min(MOST, Math.round(shown))), w = Math.round((h * columns) / ROWS);
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer);
    const [red, green, blue] = getComputedStyle(canvas).color.match(/\d+/g);
    const ink = (blue << 16) | (green << 8) | red;
    const across = spline(columns, w), down = spline(ROWS, h);
    const row = new Float32Array(columns);
    for (let y = 0, at = 0; y < h; y++) {
      row.fill(0);
      for (let tap = 0; tap < 4; tap++) {
        const from = down.index[4 * y + tap] * columns, share = (down.weight[4 * y + tap] * 1023) / LEVELS;
        for (let x = 0; x < columns; x++) row[x] += share * levels[from + x];
      }
      if (!row.some((level) => level > 1)) {
        at += w; // a blank row, of which there are many
        continue;
      }
      const { index, weight } = across;
      for (let x = 0, k = 0; x < w; x++, k += 4, at++) {
        const level =
          weight[k] * row[index[k]] + weight[k + 1] * row[index[k + 1]] +
          weight[k + 2] * row[index[k + 2]] + weight[k + 3] * row[index[k + 3]];
        pixels[at] = (OPACITY[level | 0] << 24) | ink;
      }
    }
    pen.putImageData(image, 0, 0);
  };

  /* There and back, with a rest at both ends, while its tab is open: show(frame) for every new frame. The
     slider and the button belong to it; without motion it waits in the middle. */
  digitMorph.Clock = class {
    constructor(tab, { slider, button, seconds = 2.2, rest = 0.6, show }) {
      Object.assign(this, { tab, slider, button, seconds, rest, show, frames: 2, running: false, phase: 0 });
      button.addEventListener("click", () => this.run(!this.running));
      slider.addEventListener("input", () => (this.run(false), this.at(Number(slider.value))));
      document.documentElement.addEventListener("tab", () => this.again());
      new ResizeObserver(() => this.again()).observe(slider);
      new MutationObserver(() => this.again()).observe(document.body, { attributeFilter: ["class"] });
    }

    start(frames) {
      this.frames = frames;
      this.slider.max = frames - 1;
      this.phase = 0;
      this.at(still.matches ? Math.round((frames - 1) / 2) : 0);
      this.run(!still.matches);
    }

    run(on) {
      if (on && !this.running) {
        this.phase = this.rest / 2 + (this.frame / (this.frames - 1)) * this.seconds;
        this.before = performance.now();
        requestAnimationFrame((now) => this.tick(now));
      }
      this.running = on;
      this.button.textContent = on ? "Pause" : "Play";
    }

    get seen() {
      return document.documentElement.dataset.tab === this.tab;
    }

    tick(now) {
      if (!this.running) return;
      requestAnimationFrame((next) => this.tick(next));
      const passed = Math.min(100, now - this.before) / 1000;
      this.before = now;
      if (!this.seen) return;
      this.phase = (this.phase + passed) % (2 * (this.seconds + this.rest));
      const half = this.seconds + this.rest;
      const out = ((this.phase % half) - this.rest / 2) / this.seconds;
      const share = Math.min(1, Math.max(0, out));
      this.at(Math.round((this.phase < half ? share : 1 - share) * (this.frames - 1)));
    }

    at(frame) {
      if (frame === this.frame && this.drawn) return;
      this.frame = frame;
      this.slider.value = frame;
      this.drawn = this.seen;
      if (this.drawn) this.show(frame);
    }

    again() {
      this.drawn = false;
      if (this.frame !== undefined && this.seen) requestAnimationFrame(() => this.at(this.frame));
    }
  };

  /* A tab that the server fills from the visitor's last morph: asked when the tab is open and the morph is
     another than the one it shows. `ask` makes Gradio ask the server; the answer comes to `answered`. One
     question at a time: what changes meanwhile is asked for after the answer. */
  digitMorph.Sight = class {
    constructor(tab, element, ask, show) {
      Object.assign(this, { tab, element, ask, show, wanted: null, asking: false, extra: "" });
      this.fault = element.querySelector(".amiss");
      document.documentElement.addEventListener("tab", () => this.look());
      document.documentElement.addEventListener("morph", () => this.look(""));
      const wait = () => (digitMorph.morph ? this.look() : requestAnimationFrame(wait));
      wait();
    }

    look(extra = this.extra) {
      this.extra = extra; // what else the answer depends on
      if (!digitMorph.morph || document.documentElement.dataset.tab !== this.tab) return;
      if (this.asking || this.wanted === this.key) return;
      this.wanted = this.key;
      this.asking = true;
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.element.setAttribute("data-busy", ""), 250);
      this.fault.textContent = "";
      this.ask();
    }

    get key() {
      return digitMorph.morph.recipe + "/" + this.extra;
    }

    async answered(made) {
      this.asking = false;
      clearTimeout(this.waiting);
      this.element.removeAttribute("data-busy");
      const late = this.wanted !== this.key;
      const failed = !made || made.error;
      if (late || failed) this.wanted = null; // coming back to the tab asks again
      if (late) this.look();
      else if (failed) this.fault.textContent = made?.error ?? "That did not work. Please open this tab again in a moment.";
      else await this.show(made);
    }
  };
})();
