/* The way between two places of the map: a straight line through latent space, as a strip of pictures that
   plays and can be dragged along. It says where it is by `come(place)`. */
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const FRAMES = 9; // of the strip
  const PASS = 1700; // ms from one place to the other
  const PASSES = 3; // there, back, and there again

  class Way {
    constructor(element, come) {
      const find = (selector) => element.querySelector(selector);
      const track = find(".way");
      Object.assign(this, { come, track, strip: find(".way canvas"), marker: find(".way .marker"), again: find(".again"), tools: element.querySelectorAll(".glass .tools button"), ends: [] });
      this.again.addEventListener("click", () => (this.playing ? this.stop() : this.play()));
      track.addEventListener("pointerdown", (event) => {
        if (!this.made || event.button) return;
        track.setPointerCapture(event.pointerId);
        this.held = true;
        this.scrub(event);
      });
      track.addEventListener("pointermove", (event) => this.held && this.scrub(event));
      for (const name of ["pointerup", "pointercancel"]) track.addEventListener(name, () => (this.held = false));
      track.addEventListener("keydown", (event) => this.step(event));
    }

    get made() {
      return this.ends.length === 2;
    }

    /* From one place of a land to another; without an end it plays on until it is stopped. */
    begin(land, ends, endless) {
      Object.assign(this, { land, ends, endless });
      this.allow(true);
      this.film();
      this.go(0);
      if (!still.matches) this.play();
    }

    forget() {
      this.stop();
      this.ends = [];
      this.allow(false);
      digitMorph.fitted(this.strip);
    }

    /* What can be done with a way. */
    allow(on) {
      for (const button of this.tools) button.disabled = !on;
      this.track.classList.toggle("made", on);
    }

    /* The place at a share of the way, which is straight in latent space and so a little bent on the map. */
    along(share) {
      const [from, to] = this.ends.map((end) => this.land.latent(end));
      return this.land.place(from.map((value, k) => value + share * (to[k] - value)));
    }

    film() {
      const sheet = this.made && digitMorph.fitted(this.strip);
      if (!sheet) return;
      const side = sheet.w / FRAMES;
      const colour = digitMorph.colour(this.strip);
      for (let i = 0; i < FRAMES; i++)
        this.land.digit(sheet.pen, this.along(i / (FRAMES - 1)), i * side, (sheet.h - side) / 2, side, colour);
    }

    go(share) {
      this.share = share;
      this.marker.style.left = `${(100 * (0.5 + share * (FRAMES - 1))) / FRAMES}%`;
      this.track.setAttribute("aria-valuenow", Math.round(100 * share));
      const { digit } = this.land.reads(this.along(share));
      this.track.setAttribute("aria-valuetext", `${Math.round(100 * share)}% of the way, reads as ${digit}`);
      this.come(this.along(share));
    }

    play() {
      this.playing = true;
      this.again.textContent = "Stop";
      let start = null; // of the first frame, which on a slow device is dated well before now
      const ease = (t) => t * t * (3 - 2 * t);
      const frame = (now) => {
        if (!this.playing) return;
        start ??= now;
        const passed = (now - start) / PASS;
        const turn = passed % 2;
        if (passed >= PASSES && !this.endless) return this.go(1), this.stop();
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
      if (!this.made) return;
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      const to = { Home: 0, End: 1 }[event.key] ?? (by && Math.min(1, Math.max(0, this.share + by / 50)));
      if (to === undefined) return;
      event.preventDefault();
      this.stop();
      this.go(to);
    }
  }

  digitMorph.Way = Way;
})();
