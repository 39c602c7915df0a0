/* The result: the video in a loop, and under it the track (filmstrip and ribbon) that shows where it is and
   takes it anywhere. A position is a frame of the morph, 0 to frames - 1, whichever way the video plays. */
(() => {
  class Player {
    constructor(element) {
      const find = (selector) => element.querySelector(selector);
      this.video = find("video");
      this.film = find(".film");
      this.track = find(".track");
      this.strip = find(".strip");
      this.seen = find(".seen");
      this.marker = find(".marker");
      this.caption = find(".name");
      this.toggle = find(".play");
      this.video.muted = true;
      this.film.addEventListener("click", () => this.playing(this.video.paused));
      this.toggle.addEventListener("click", () => this.playing(this.video.paused));
      for (const name of ["play", "pause"]) this.video.addEventListener(name, () => this.showPlaying());
      this.video.addEventListener("seeked", () => this.mark());
      digitMorph.onDrag(this.track, {
        grab: () => this.grab(),
        drag: (share) => this.seek(Math.round(share * this.inner)),
        release: () => this.release(),
      });
      digitMorph.onSliderKeys(this.track, {
        range: () => this.morph && [0, this.inner],
        value: () => this.marked,
        move: (position) => { this.video.pause(); this.seek(position); },
      });
      this.track.addEventListener("keydown", (event) => {
        if (event.key !== " ") return;
        this.playing(this.video.paused);
        event.preventDefault();
      });
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
      this.track.classList.toggle("unread", !morph.ribbon.length);
      this.seen.style.setProperty("--rows", morph.ribbon.length);
      digitMorph.drawRibbon(this.track, morph.ribbon, this.inner);
      this.video.src = this.url;
      this.mark(0);
      this.playing(!digitMorph.still.matches);
    }

    playing(on) {
      if (on) this.video.play().catch(() => {}); // refused, for instance to save power: the button stays
      else this.video.pause();
    }

    showPlaying() {
      this.toggle.textContent = this.video.paused ? "Play" : "Pause";
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
      this.track.setAttribute("aria-valuetext", `frame ${position + 1}${seen && `, seen as ${seen}`}`);
    }

    seek(position) {
      this.mark(position);
      this.video.currentTime = (position + this.morph.hold + 0.5) / this.morph.fps;
    }

    grab() {
      if (!this.morph) return false;
      this.held = { played: !this.video.paused };
      this.video.pause();
    }

    release() {
      if (this.held?.played && !digitMorph.still.matches) this.playing(true);
      this.held = null;
    }
  }

  const caption = (numbers) =>
    numbers.length < 4 ? numbers.join(" becomes ") : `${numbers[0]} to ${numbers.at(-1)}, by way of ${numbers.length - 2} more`;

  digitMorph.mountPlayer = (element, morph) => {
    digitMorph.player = new Player(element);
    if (!morph) return;
    digitMorph.player.show(morph);
    digitMorph.morph ??= morph;
  };
})();
