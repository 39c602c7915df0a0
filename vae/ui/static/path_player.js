/* The path between two places of the map: a straight line through latent space, as a strip of pictures that
   plays and can be dragged along. It says where it is by `come(place)`. */
(() => {
  const FRAMES = 9; // of the strip
  const PASS = 1700; // ms from one place to the other
  const PASSES = 3; // there, back, and there again

  digitMorph.PathPlayer = class {
    constructor(element, come) {
      const find = (selector) => element.querySelector(selector);
      const track = find(".path");
      Object.assign(this, { come, track, strip: find(".path canvas"), marker: find(".path .marker"), toggle: find(".path-toggle"), ends: [] });
      this.tools = element.querySelectorAll(".inspector .tools button");
      this.toggle.addEventListener("click", () => (this.playing ? this.stop() : this.play()));
      const move = (share) => { this.stop(); this.go(share); };
      const drag = (share) => move(Math.min(1, Math.max(0, (share * FRAMES - 0.5) / (FRAMES - 1))));
      digitMorph.onDrag(track, { grab: () => this.made, drag });
      digitMorph.onSliderKeys(track, { range: () => this.made && [0, 1], value: () => this.share, move, step: 0.02 });
    }

    get made() {
      return this.ends.length === 2;
    }

    /* From one place of a map to another; without an end it plays on until it is stopped. */
    begin(map, ends, endless) {
      Object.assign(this, { map, ends, endless });
      this.allow(true);
      this.drawStrip();
      this.go(0);
      if (!digitMorph.still.matches) this.play();
    }

    forget() {
      this.stop();
      this.ends = [];
      this.allow(false);
      digitMorph.fitCanvas(this.strip);
    }

    /* What can be done with a path. */
    allow(on) {
      for (const button of this.tools) button.disabled = !on;
      this.track.classList.toggle("made", on);
    }

    /* The place at a share of the path, which is straight in latent space and so a little bent on the map. */
    along(share) {
      const [from, to] = this.ends.map((end) => this.map.latent(end));
      return this.map.place(from.map((value, k) => value + share * (to[k] - value)));
    }

    /* `count` places from one end to the other. */
    places(count) {
      return Array.from({ length: count }, (_, i) => this.along(i / (count - 1)));
    }

    drawStrip() {
      if (this.made) this.map.drawDigits(this.strip, FRAMES, this.places(FRAMES));
    }

    go(share) {
      this.share = share;
      this.marker.style.left = `${(100 * (0.5 + share * (FRAMES - 1))) / FRAMES}%`;
      this.track.setAttribute("aria-valuenow", Math.round(100 * share));
      const { digit } = this.map.reads(this.along(share));
      this.track.setAttribute("aria-valuetext", `${Math.round(100 * share)}% of the way, reads as ${digit}`);
      this.come(this.along(share));
    }

    play() {
      this.playing = true;
      this.toggle.textContent = "Stop";
      let start = null; // of the first frame, which on a slow device is dated well before now
      const ease = (t) => t * t * (3 - 2 * t);
      const frame = (now) => {
        if (!this.playing) return;
        start ??= now;
        const passed = (now - start) / PASS;
        const turn = passed % 2;
        if (passed >= PASSES && !this.endless) {
          this.go(1);
          return this.stop();
        }
        this.go(turn < 1 ? ease(turn) : ease(2 - turn));
        this.ticking = requestAnimationFrame(frame);
      };
      this.ticking = requestAnimationFrame(frame);
    }

    stop() {
      cancelAnimationFrame(this.ticking);
      this.playing = false;
      this.toggle.textContent = "Play";
    }
  };
})();
