/* Directions through the latent space: a strip of pictures each, and a large digit that follows. Dragging
   along a strip mixes its pictures; letting go asks for the strips of the new place. */
(() => {
  class Strips {
    constructor(element, ask) {
      this.ask = ask;
      this.box = element.querySelector(".strips");
      this.shape = element.querySelector(".shape");
      this.home = element.querySelector("[data-strips=home]");
      this.dimensions = element.querySelector(".dimensions");
      this.home.addEventListener("click", () => this.begin(this.digit, this.seed));
      new ResizeObserver(() => this.paint()).observe(this.box);
      new MutationObserver(() => this.paint()).observe(document.body, { attributeFilter: ["class"] });
    }

    /* Start from a digit as one hand wrote it. Until its strips are there, those before can be used. */
    async begin(digit, seed) {
      clearTimeout(this.typing);
      this.home.disabled = true;
      await this.refresh(null, digit, seed);
    }

    /* The strips through a place; null: the digit's own. */
    async refresh(at = this.at, digit = this.digit, seed = this.seed) {
      const wished = (this.wished = {});
      const made = await this.ask({ ask: "sheet", digit, seed, at });
      if (!made) return;
      const sheet = await digitMorph.unpack(made.strips);
      if (wished !== this.wished) return; // moved on meanwhile
      Object.assign(this, { made, sheet, digit, seed, at: made.at });
      this.dimensions.textContent = made.dimensions;
      if (this.rows?.length !== made.names.length) this.build();
      this.moved ??= 0;
      this.box.removeAttribute("aria-busy");
      this.paint();
    }

    build() {
      this.rows = this.made.names.map((name, k) => {
        const row = document.createElement("div");
        row.className = "strip-row";
        row.innerHTML = '<span class="strip-name"></span><div class="track" role="slider" tabindex="0"><canvas aria-hidden="true"></canvas><i class="marker"></i></div>';
        const [label, track] = row.children;
        label.textContent = name;
        label.id = `strip-name-${k}`;
        track.setAttribute("aria-labelledby", label.id);
        track.setAttribute("aria-valuemin", this.made.values[0]);
        track.setAttribute("aria-valuemax", this.made.values.at(-1));
        track.addEventListener("pointerdown", (event) => {
          if (event.button) return;
          track.setPointerCapture(event.pointerId);
          this.held = k;
          this.drag(event, k);
        });
        track.addEventListener("pointermove", (event) => this.held === k && this.drag(event, k));
        for (const name of ["pointerup", "pointercancel"])
          track.addEventListener(name, () => {
            if (this.held === k) this.refresh();
            this.held = null;
          });
        track.addEventListener("keydown", (event) => this.key(event, k));
        return row;
      });
      this.box.replaceChildren(...this.rows);
    }

    drag(event, k) {
      const box = this.rows[k].lastChild.getBoundingClientRect();
      const { values } = this.made;
      const index = ((event.clientX - box.left) / box.width) * values.length - 0.5;
      this.set(k, values[0] + (index / (values.length - 1)) * (values.at(-1) - values[0]));
    }

    key(event, k) {
      const { values } = this.made;
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -5, PageUp: 5 }[event.key];
      const to = { Home: values[0], End: values.at(-1) }[event.key] ?? (by && this.at[k] + by * 0.1);
      if (to === undefined) return;
      event.preventDefault();
      this.set(k, to);
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.refresh(), 250);
    }

    /* Along strip k, at once; the others follow when the visitor lets go. */
    set(k, value) {
      const { values } = this.made;
      this.wished = {}; // an answer on its way is of another place
      this.at = this.at.with(k, Math.min(values.at(-1), Math.max(values[0], value)));
      this.home.disabled = false;
      this.show(k);
      this.marks();
    }

    index(k) {
      const { values } = this.made;
      return ((this.at[k] - values[0]) / (values.at(-1) - values[0])) * (values.length - 1);
    }

    show(k) {
      const sheet = digitMorph.fitted(this.shape);
      if (!sheet) return;
      this.shown = digitMorph.mixed(this.sheet, k, this.index(k));
      digitMorph.crisp(sheet.pen, this.shown, 0, 0, sheet.h, digitMorph.colour(this.shape));
    }

    /* The strip in whose range the present place lies best: all of them pass through it. */
    best() {
      const off = this.at.map((_, k) => Math.abs(this.index(k) - Math.round(this.index(k))) + (this.inRange(k) ? 0 : 9));
      return off.indexOf(Math.min(...off));
    }

    inRange(k) {
      return this.index(k) >= 0 && this.index(k) <= this.made.values.length - 1;
    }

    marks() {
      const { values } = this.made;
      this.rows.forEach((row, k) => {
        const track = row.lastChild;
        const share = (0.5 + Math.min(values.length - 1, Math.max(0, this.index(k)))) / values.length;
        track.querySelector(".marker").style.left = `${100 * share}%`;
        track.setAttribute("aria-valuenow", Math.min(values.at(-1), Math.max(values[0], this.at[k])).toFixed(1));
        track.setAttribute("aria-valuetext", `${this.at[k].toFixed(1)} standard deviations`);
      });
    }

    paint() {
      if (!this.sheet) return;
      this.rows.forEach((row, k) => {
        const canvas = row.querySelector("canvas");
        const sheet = digitMorph.fitted(canvas);
        if (!sheet) return;
        const colour = digitMorph.colour(canvas);
        const side = sheet.w / this.sheet.columns;
        for (let i = 0; i < this.sheet.columns; i++)
          digitMorph.crisp(sheet.pen, this.sheet.at(k, i), i * side, (sheet.h - side) / 2, side, colour);
      });
      this.show(this.held ?? this.best());
      this.marks();
    }
  }

  digitMorph.Strips = Strips;
})();
