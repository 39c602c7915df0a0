/* The result: the video in a loop, and under it the track (filmstrip and ribbon) that shows where it is and
   takes it anywhere. A position is a frame of the morph, 0 to frames - 1, whichever way the video plays. */
(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const SVG = "http://www.w3.org/2000/svg";

  class Player {
    constructor(element) {
      const find = (selector) => element.querySelector(selector);
      this.video = find("video");
      this.film = find(".film");
      this.track = find(".track");
      this.strip = find(".strip");
      this.ribbon = find(".ribbon");
      this.seen = find(".seen");
      this.marker = find(".marker");
      this.caption = find(".name");
      this.toggle = find(".play");
      this.video.muted = true;
      this.film.addEventListener("click", () => this.playing(this.video.paused));
      this.toggle.addEventListener("click", () => this.playing(this.video.paused));
      for (const name of ["play", "pause"]) this.video.addEventListener(name, () => this.said());
      this.video.addEventListener("seeked", () => this.mark());
      this.track.addEventListener("pointerdown", (event) => this.grab(event));
      this.track.addEventListener("pointermove", (event) => this.held && this.drag(event));
      for (const name of ["pointerup", "pointercancel"])
        this.track.addEventListener(name, () => this.release());
      this.track.addEventListener("keydown", (event) => this.key(event));
      const follow = () => {
        if (!this.video.paused && !this.held) this.mark();
        requestAnimationFrame(follow);
      };
      requestAnimationFrame(follow);
    }

    show(morph) {
      this.morph = morph;
      this.inner = Math.max(1, morph.frames - 2 * morph.hold - 1); // from the first frame that moves to the last
      if (this.url) URL.revokeObjectURL(this.url);
      this.url = URL.createObjectURL(new Blob([digitMorph.bytes(morph.video)], { type: "video/mp4" }));
      this.film.dataset.style = this.strip.dataset.style = morph.style;
      this.strip.src = morph.strip;
      this.caption.textContent = (digitMorph.morph ? "" : "For example, ") + caption(morph.sides.map((side) => side.number));
      this.track.setAttribute("aria-valuemax", this.inner + 1);
      this.tell();
      this.video.src = this.url;
      this.mark(0);
      this.playing(!still.matches);
    }

    playing(on) {
      if (on) this.video.play().catch(() => {}); // refused, for instance to save power: the button stays
      else this.video.pause();
    }

    said() {
      const text = this.video.paused ? "Play" : "Pause";
      this.toggle.textContent = text;
      this.film.classList.toggle("paused", this.video.paused);
    }

    /* Position now, from the video's time: there, and on the way back. */
    position() {
      const { fps, frames, hold, bounce } = this.morph;
      const shown = Math.floor(this.video.currentTime * fps + 1e-3);
      const frame = bounce && shown >= frames ? 2 * frames - 2 - shown : shown;
      return Math.min(this.inner, Math.max(0, frame - hold));
    }

    mark(position = this.morph ? this.position() : 0) {
      if (position === this.marked) return;
      this.marked = position;
      this.marker.style.left = `${(100 * position) / this.inner}%`;
      this.track.setAttribute("aria-valuenow", position + 1);
      const seen = this.morph.ribbon.map((place) => place[position]?.[0] ?? "").join("");
      this.track.setAttribute("aria-valuetext", `frame ${position + 1}` + (seen && `, seen as ${seen}`));
    }

    seek(position) {
      this.mark(position);
      this.video.currentTime = (position + this.morph.hold + 0.5) / this.morph.fps;
    }

    grab(event) {
      if (!this.morph || event.button) return;
      this.track.setPointerCapture(event.pointerId);
      this.held = { played: !this.video.paused };
      this.video.pause();
      this.drag(event);
    }

    drag(event) {
      const box = this.track.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      this.seek(Math.round(share * this.inner));
    }

    release() {
      if (this.held?.played && !still.matches) this.playing(true);
      this.held = null;
    }

    key(event) {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      const to = { Home: 0, End: this.inner }[event.key] ?? (by && Math.min(this.inner, Math.max(0, this.marked + by)));
      if (event.key === " ") this.playing(this.video.paused);
      else if (to === undefined) return;
      else this.video.pause(), this.seek(to);
      event.preventDefault();
    }

    /* The ribbon: how sure the model is, as a hill over the frames, and the digits it sees under it. */
    tell() {
      const { ribbon } = this.morph;
      const last = this.inner;
      this.track.classList.toggle("unread", !ribbon.length);
      this.ribbon.setAttribute("viewBox", `0 0 ${last} ${ribbon.length || 1}`);
      this.ribbon.replaceChildren(
        ...ribbon.map((place, row) => {
          const path = document.createElementNS(SVG, "path");
          const hill = place.map((seen, i) => `L${i} ${(row + 1 - 0.88 * (seen?.[1] ?? 0)).toFixed(3)}`).join("");
          path.setAttribute("d", `M0 ${row + 1}${hill}L${last} ${row + 1}Z`);
          return path;
        }),
      );
      this.seen.style.setProperty("--rows", ribbon.length);
      this.seen.replaceChildren(
        ...ribbon.flatMap((place, row) =>
          runs(place).map(({ digit, start, end, sure }) => {
            const label = document.createElement("span");
            label.textContent = sure < 0.5 ? "?" : digit;
            label.style.left = `${(50 * (start + end)) / last}%`;
            label.style.top = `${(100 * (row + 0.5)) / ribbon.length}%`;
            return label;
          }),
        ),
      );
    }
  }

  const caption = (numbers) =>
    numbers.length < 4 ? numbers.join(" becomes ") : `${numbers[0]} to ${numbers.at(-1)}, by way of ${numbers.length - 2} more`;

  /* Frames that read as the same digit, together; a run of few frames has no room for a label. */
  digitMorph.runs = runs;
  function runs(place) {
    const found = [];
    place.forEach((seen, i) => {
      const [digit, sure] = seen ?? [null, 0];
      const run = found.at(-1);
      if (run?.digit === digit) Object.assign(run, { end: i, sure: Math.max(run.sure, sure) });
      else found.push({ digit, start: i, end: i, sure });
    });
    return found.filter(({ digit, start, end }) => digit !== null && end - start >= place.length / 30);
  }

  digitMorph.mountPlayer = (element, morph) => {
    digitMorph.player = new Player(element);
    if (!morph) return;
    digitMorph.player.show(morph);
    digitMorph.morph ??= morph;
  };
})();
