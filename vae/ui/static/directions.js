/* Directions through the latent space: a strip of pictures each, and a large digit that follows. Dragging
   along a strip mixes its pictures; letting go asks for the strips of the new place. */
(() => {
  digitMorph.Directions = class {
    constructor(element, ask) {
      this.ask = ask;
      this.box = element.querySelector(".strips");
      this.shape = element.querySelector(".shape");
      this.home = element.querySelector("[data-strips=home]");
      this.dimensions = element.querySelector(".dimensions");
      this.home.addEventListener("click", () => this.begin(this.digit, this.seed));
      digitMorph.onRepaint(this.box, () => this.paint());
    }

    /* Start from a digit as one hand wrote it. Until its strips are there, those before can be used. */
    async begin(digit, seed) {
      clearTimeout(this.typing);
      this.home.disabled = true;
      await this.refresh(null, digit, seed);
    }

    /* The strips through a place; null: the digit's own. */
    async refresh(at = this.at, digit = this.digit, seed = this.seed) {
      const requested = {};
      this.requested = requested;
      const made = await this.ask({ ask: "sheet", digit, seed, at });
      if (!made) return;
      const sheet = await digitMorph.unpack(made.strips);
      if (requested !== this.requested) return; // moved on meanwhile
      Object.assign(this, { made, sheet, digit, seed, at: made.at });
      this.dimensions.textContent = made.dimensions;
      if (this.rows?.length !== made.names.length) this.build();
      this.box.removeAttribute("aria-busy");
      this.paint();
    }

    build() {
      const range = () => this.range;
      this.rows = this.made.names.map((name, k) => {
        const row = digitMorph.make("div", { className: "strip-row" });
        row.innerHTML = '<span class="strip-name"></span><div class="track" role="slider" tabindex="0"><canvas aria-hidden="true"></canvas><i class="marker"></i></div>';
        const [label, track] = row.children;
        Object.assign(label, { textContent: name, id: `strip-name-${k}` });
        track.setAttribute("aria-labelledby", label.id);
        track.setAttribute("aria-valuemin", this.range[0]);
        track.setAttribute("aria-valuemax", this.range[1]);
        digitMorph.onDrag(track, {
          grab: () => { this.held = k; },
          drag: (share) => {
            const { columns } = this.sheet;
            this.set(k, this.range[0] + ((share * columns - 0.5) / (columns - 1)) * (this.range[1] - this.range[0]));
          },
          release: () => { this.refresh(); this.held = null; },
        });
        const move = (value) => {
          this.set(k, value);
          clearTimeout(this.typing);
          this.typing = setTimeout(() => this.refresh(), 250);
        };
        digitMorph.onSliderKeys(track, { range, value: () => this.at[k], move, step: 0.1, page: 5 });
        return row;
      });
      this.box.replaceChildren(...this.rows);
    }

    get range() {
      return [this.made.values[0], this.made.values.at(-1)];
    }

    clamped(value) {
      return Math.min(this.range[1], Math.max(this.range[0], value));
    }

    /* Along strip k, at once; the others follow when the visitor lets go. */
    set(k, value) {
      this.requested = {}; // an answer on its way is of another place
      this.at = this.at.with(k, this.clamped(value));
      this.home.disabled = false;
      this.show(k);
      this.marks();
    }

    index(k) {
      const [first, last] = this.range;
      return ((this.at[k] - first) / (last - first)) * (this.sheet.columns - 1);
    }

    show(k) {
      this.shown = digitMorph.interpolate(this.sheet, k, this.index(k));
      digitMorph.drawDigits(this.shape, 1, [this.shown]);
    }

    /* The strip in whose range the present place lies best: all of them pass through it. */
    best() {
      const off = this.at.map((value, k) => Math.abs(this.index(k) - Math.round(this.index(k))) + (value === this.clamped(value) ? 0 : 9));
      return off.indexOf(Math.min(...off));
    }

    marks() {
      const { columns } = this.sheet;
      this.rows.forEach((row, k) => {
        const track = row.lastChild;
        const share = (0.5 + Math.min(columns - 1, Math.max(0, this.index(k)))) / columns;
        track.querySelector(".marker").style.left = `${100 * share}%`;
        track.setAttribute("aria-valuenow", this.clamped(this.at[k]).toFixed(1));
        track.setAttribute("aria-valuetext", `${this.at[k].toFixed(1)} standard deviations`);
      });
    }

    paint() {
      if (!this.sheet) return;
      this.rows.forEach((row, k) => {
        digitMorph.drawDigits(row.querySelector("canvas"), this.sheet.columns, this.sheet.row(k));
      });
      this.show(this.held ?? this.best());
      this.marks();
    }
  };
})();
