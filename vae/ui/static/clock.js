/* The clock that films on a tab follow in step. */
(() => {
  const root = document.documentElement;

  /* There and back, with a rest at both ends, while its tab is open: show(frame) for every new frame. The
     slider and the button belong to it; without motion it waits in the middle. */
  digitMorph.Clock = class {
    constructor(tab, { slider, button, seconds = 2.2, rest = 0.6, show }) {
      Object.assign(this, { tab, slider, button, seconds, rest, show, frames: 2, running: false, phase: 0 });
      button.addEventListener("click", () => this.run(!this.running));
      slider.addEventListener("input", () => { this.run(false); this.at(Number(slider.value)); });
      root.addEventListener("tab", () => this.redraw());
      digitMorph.onRepaint(slider, () => this.redraw());
    }

    start(frames) {
      this.frames = frames;
      this.slider.max = frames - 1;
      this.phase = 0;
      this.drawn = false;
      const still = digitMorph.still.matches;
      this.at(still ? Math.round((frames - 1) / 2) : 0);
      this.run(!still);
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
      return root.dataset.tab === this.tab;
    }

    tick(now) {
      if (!this.running) return;
      requestAnimationFrame((next) => this.tick(next));
      const passed = Math.min(100, now - this.before) / 1000;
      this.before = now;
      if (!this.seen) return;
      const half = this.seconds + this.rest;
      this.phase = (this.phase + passed) % (2 * half);
      const share = Math.min(1, Math.max(0, ((this.phase % half) - this.rest / 2) / this.seconds));
      this.at(Math.round((this.phase < half ? share : 1 - share) * (this.frames - 1)));
    }

    at(frame) {
      if (frame === this.frame && this.drawn) return;
      this.frame = frame;
      this.slider.value = frame;
      this.drawn = this.seen;
      if (this.drawn) this.show(frame);
    }

    redraw() {
      this.drawn = false;
      if (this.frame !== undefined && this.seen) requestAnimationFrame(() => this.at(this.frame));
    }
  };
})();
