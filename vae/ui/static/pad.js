/* A sheet to draw on. Strokes are kept as points [x, y, t]: in units of the sheet's height from its middle and top, and
   ms, so that undo, swap, a turned phone and a change of colours redraw them, and so they go to the server. Digits that
   a link carried lie under them. */
(() => {
  const PEN = 0.062; // of the sheet's height
  const PICTURE = 420; // px, height of the drawing as a picture
  const NEAR = 0.004; // points nearer to the last are left out
  const WRITING = 420; // ms to write an example
  const CELL = 0.9; // of the sheet's height, for a digit that a link carried, margins included

  class Pad {
    constructor(element, side) {
      this.side = side;
      this.typed = new digitMorph.TypedField(element, () => this.remember());
      this.canvas = element.querySelector("canvas");
      this.sheet = element.querySelector(".sheet");
      this.tools = Object.fromEntries([...element.querySelectorAll("[data-tool]")].map((b) => [b.dataset.tool, b]));
      this.tools.undo.onclick = () => this.set(this.strokes.length ? { ...this.content, strokes: this.strokes.slice(0, -1) } : {});
      this.tools.clear.onclick = () => this.set();
      this.tools.example.onclick = () => this.write(digitMorph.anyNumber());
      this.canvas.addEventListener("pointerdown", (event) => this.down(event));
      this.canvas.addEventListener("pointermove", (event) => this.move(event));
      for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
        this.canvas.addEventListener(end, () => this.up());
      digitMorph.onRepaint(this.canvas, () => this.paint());
      this.set(digitMorph.kept(side) ?? {});
    }

    get aspect() {
      return this.canvas.clientWidth / this.canvas.clientHeight || 4 / 3;
    }

    at(event) {
      const box = this.canvas.getBoundingClientRect();
      const time = Math.max(0, event.timeStamp - this.began);
      return [(event.clientX - box.left - box.width / 2) / box.height, (event.clientY - box.top) / box.height, time];
    }

    down(event) {
      if (event.button || this.stroke) return;
      event.preventDefault();
      try {
        this.canvas.setPointerCapture(event.pointerId);
      } catch {
        // the pointer is gone already
      }
      if (!this.strokes.length) this.began = event.timeStamp;
      this.stroke = [this.at(event)];
      this.pointer = event.pointerId;
      this.set({ ...this.content, strokes: [...this.strokes, this.stroke] });
    }

    move(event) {
      if (!this.stroke || event.pointerId !== this.pointer) return;
      for (const part of event.getCoalescedEvents?.() ?? [event]) {
        const [point, last] = [this.at(part), this.stroke.at(-1)];
        if (Math.hypot(point[0] - last[0], point[1] - last[1]) > NEAR) this.stroke.push(point);
      }
      this.paint();
    }

    up() {
      if (!this.stroke) return;
      this.stroke = null;
      this.remember();
    }

    get content() {
      return { strokes: this.strokes, carried: this.carried, number: this.typed.number };
    }

    /* `carried`: the digits of a link, as 784 bytes of ink each in base64. */
    set({ strokes = [], carried = [], number = null } = {}) {
      cancelAnimationFrame(this.writing);
      Object.assign(this, { strokes, carried });
      this.typed.set(number);
      const inked = strokes.length + carried.length > 0;
      this.sheet.classList.toggle("inked", inked);
      this.tools.undo.disabled = this.tools.clear.disabled = !inked;
      this.remember();
      this.paint();
    }

    remember() {
      digitMorph.kept(this.side, this.content);
      digitMorph.changed();
    }

    /* Write a number by itself, as if by hand. */
    write(number) {
      const strokes = digitMorph
        .write(number, this.aspect)
        .map((points) => points.map(([x, y], i) => [x - this.aspect / 2, y, 8 * i]));
      const total = strokes.reduce((sum, points) => sum + points.length, 0);
      this.set({ strokes });
      if (digitMorph.still.matches) return;
      const start = performance.now();
      const step = (now) => {
        let left = Math.ceil((total * (now - start)) / WRITING);
        const written = strokes.map((points) => {
          const shown = points.slice(0, Math.max(0, left));
          left -= points.length;
          return shown;
        });
        this.paint(written);
        if (left < 0) this.writing = requestAnimationFrame(step);
      };
      this.writing = requestAnimationFrame(step);
    }

    paint(strokes = this.strokes) {
      const fitted = digitMorph.fitCanvas(this.canvas);
      if (!fitted) return; // its tab is not open
      this.drawCarried(fitted.pen, digitMorph.colour(this.canvas));
      drawStrokes(fitted.pen, strokes, getComputedStyle(this.canvas).color);
    }

    /* The digits of a link, in the middle of the sheet. */
    drawCarried(pen, colour) {
      if (!this.carried.length) return;
      const { width, height } = pen.canvas;
      const side = Math.round(this.cell * height);
      const key = [side, colour, ...this.carried].join();
      if (this.cached?.key !== key) this.cached = { key, picture: digitMorph.sideBySide(this.carried, side, colour) };
      const { picture } = this.cached;
      pen.drawImage(picture, (width - picture.width) / 2, (height - picture.height) / 2);
    }

    get cell() {
      return Math.min(CELL, this.aspect / Math.max(1, this.carried.length));
    }

    /* What the server gets: a typed number or what is drawn; null for an empty sheet, and while a stroke goes on. */
    sent() {
      const { number } = this.typed;
      if (number !== null) return number ? { number } : null;
      return this.stroke ? null : this.drawn();
    }

    drawn() {
      const digits = this.carried.length ? { digits: this.carried } : null;
      return this.strokes.length ? { strokes: this.strokes.map(packed), pen: PEN, cell: this.cell, ...digits } : digits;
    }

    /* What was drawn here as a PNG, black on white; null where nothing was. */
    picture() {
      if (!this.strokes.length) return null;
      const reach = Math.max((this.cell * this.carried.length) / 2, ...this.strokes.flat().map(([x]) => Math.abs(x) + PEN));
      const { canvas, pen } = digitMorph.paper(PICTURE * Math.min(4, Math.max(1, 2 * reach)), PICTURE);
      this.drawCarried(pen, [0, 0, 0]);
      drawStrokes(pen, this.strokes, "#000");
      return canvas.toDataURL("image/png");
    }
  }

  /* A stroke as `vae.drawing.unpack_strokes` takes it: base64 of 16-bit numbers, thousandths of a height and 4 ms. */
  function packed(points) {
    const numbers = points.flatMap(([x, y, t = 0]) => [1000 * x, 1000 * y, t / 4]);
    const words = Int16Array.from(numbers, (value) => Math.max(-32768, Math.min(32767, Math.round(value))));
    return btoa(String.fromCharCode(...new Uint8Array(words.buffer)));
  }

  function drawStrokes(pen, strokes, colour) {
    const { width, height } = pen.canvas;
    Object.assign(pen, { strokeStyle: colour, fillStyle: colour, lineWidth: PEN * height, lineCap: "round", lineJoin: "round" });
    for (const stroke of strokes) {
      const points = stroke.map(([x, y]) => [width / 2 + x * height, y * height]);
      if (points.length > 1) digitMorph.smoothLine(pen, points);
      else if (points.length) digitMorph.circle(pen, points[0], pen.lineWidth / 2, {});
    }
  }

  digitMorph.mountPad = (element, side) => (digitMorph.pads[side] = new Pad(element, side));
})();
