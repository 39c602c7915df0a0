/* The stage: a morph's frames, drawn and played by the page itself, and under them the track (filmstrip and ribbon)
   that shows where it is and takes it anywhere. A position is a frame of the morph, 0 to the last, whichever way it
   plays; an index is where it is in the order in which they are shown, rests and way back included. */
(() => {
  const LOOK = { fps: 30, playback: "bounce", style: "ink", hold: 0.4 }; // as the page opens; hold in seconds
  const RATES = [
    { share: 1, text: "1×", said: "off" },
    { share: 1 / 2, text: "½×", said: "at half the speed" },
    { share: 1 / 4, text: "¼×", said: "at a quarter of the speed" },
  ];
  const MOST = 1_000_000; // pixels of the stage; a larger one is enlarged by the browser
  const CELLS = 12; // of the filmstrip, fewer where numbers are wide
  const ROWS = 28; // of a frame, and columns to a digit
  const AWAY = 1000; // ms without a picture, after which nobody looked: the morph waits in a tab that is hidden

  class Player {
    constructor(element) {
      const find = (selector) => element.querySelector(selector);
      this.figure = find(".player");
      this.canvas = find(".film canvas");
      this.track = find(".track");
      this.strip = find(".strip");
      this.seen = find(".seen");
      this.marker = find(".marker");
      this.caption = find(".name");
      this.toggle = find(".play");
      this.rateButton = find(".rate");
      this.enlarge = find(".enlarge");
      this.settings = LOOK;
      this.playing = false;
      this.slow(0);
      this.listen(find(".film"));
      digitMorph.onRepaint(this.canvas, () => this.redraw());
    }

    listen(film) {
      film.addEventListener("click", () => { this.play(!this.playing); this.track.focus({ preventScroll: true }); });
      film.addEventListener("dblclick", () => this.fill());
      this.toggle.addEventListener("click", () => this.play(!this.playing));
      this.rateButton.addEventListener("click", () => this.slow((this.rate + 1) % RATES.length));
      this.enlarge.addEventListener("click", () => this.fill());
      document.addEventListener("fullscreenchange", () => {
        if (!document.fullscreenElement && this.figure.matches(".full")) this.filled(false);
      });
      this.figure.addEventListener("keydown", (event) => this.key(event));
      digitMorph.onDrag(this.track, {
        grab: () => this.grab(),
        drag: (share) => this.seek(Math.round(share * this.last)),
        release: () => this.play(this.held),
      });
      digitMorph.onSliderKeys(this.track, {
        range: () => this.film && [0, this.last],
        value: () => this.position,
        move: (position) => { this.play(false); this.seek(position); },
      });
    }

    /* Play a new morph from its start. Resolves when it is on the stage, or when a later one takes its place. */
    async show(morph) {
      this.coming = morph;
      const example = !digitMorph.morph;
      const film = await digitMorph.unpack(morph.film);
      if (this.coming !== morph) return;
      this.lay(morph, film, example);
      this.restart();
    }

    lay(morph, film, example) {
      Object.assign(this, { morph, film, example, index: 0, last: film.columns - 1 });
      this.order = digitMorph.playOrder(film.columns, morph.stops, this.settings);
      const said = caption(morph.sides.map((side) => side.number));
      this.caption.textContent = (example ? "For example, " : "") + said;
      this.canvas.setAttribute("aria-label", said);
      this.track.setAttribute("aria-valuemax", film.columns);
      this.track.classList.toggle("unread", !morph.ribbon.length);
      this.seen.style.setProperty("--rows", morph.ribbon.length);
      digitMorph.drawRibbon(this.track, morph.ribbon, this.last);
      this.redraw();
    }

    /* Take over from a player that makes way for this one. */
    follow({ morph, film, example, settings, rate, index, playing }) {
      this.settings = settings;
      this.slow(rate);
      this.lay(morph, film, example);
      this.index = index;
      this.paint();
      this.play(playing);
    }

    /* Play from the start: at once, since the number has been seen. */
    restart() {
      if (!this.film) return;
      this.seek(0);
      this.play(!digitMorph.still.matches);
    }

    /* Any of LOOK, from the frame that is shown. */
    look(look) {
      this.settings = { ...this.settings, ...look };
      if (!this.film) return;
      const order = digitMorph.playOrder(this.film.columns, this.morph.stops, this.settings);
      this.index = digitMorph.carriedOver(this.order, this.index, order);
      this.order = order;
      this.redraw();
    }

    /* --- where it is --- */

    get position() {
      return this.film ? this.order.frames[Math.floor(this.index)] : 0;
    }

    /* Go to a frame on the way there; a rest at it has passed. */
    seek(position) {
      this.index = this.order.frames.lastIndexOf(position, this.order.turn - 1);
      this.paint();
    }

    play(on) {
      cancelAnimationFrame(this.ticking);
      if (on) this.ticking = requestAnimationFrame((now) => this.tick(now));
      this.ticked = null;
      this.playing = on;
      this.toggle.textContent = on ? "Pause" : "Play";
    }

    tick(now) {
      this.ticking = requestAnimationFrame((next) => this.tick(next));
      const passed = now - (this.ticked ?? now);
      this.ticked = now;
      if (!this.film || !this.canvas.clientWidth || passed > AWAY) return;
      const frames = (passed / 1000) * this.settings.fps * RATES[this.rate].share;
      this.index = (this.index + frames) % this.order.frames.length;
      this.paint();
    }

    grab() {
      if (!this.film) return false;
      this.held = this.playing;
      this.play(false);
    }

    slow(rate) {
      this.rate = Math.min(RATES.length - 1, Math.max(0, rate));
      this.rateButton.textContent = RATES[this.rate].text;
      this.rateButton.setAttribute("aria-label", `Slow motion: ${RATES[this.rate].said}`);
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey || (event.key === " " && event.target.closest("button"))) return;
      const actions = {
        " ": () => this.play(!this.playing),
        f: () => this.fill(),
        "<": () => this.slow(this.rate + 1),
        ">": () => this.slow(this.rate - 1),
        Escape: this.figure.matches(".full") && (() => this.fill()),
      };
      if (!actions[event.key]) return;
      actions[event.key]();
      event.preventDefault();
    }

    /* --- full screen; where there is none (on iPhones, in some frames), the whole window --- */

    fill() {
      if (document.fullscreenElement) return document.exitFullscreen();
      const full = !this.figure.matches(".full");
      this.filled(full);
      if (full) this.figure.requestFullscreen?.().catch(() => {});
    }

    filled(full) {
      this.figure.classList.toggle("full", full);
      this.enlarge.setAttribute("aria-pressed", String(full));
      (full ? this.track : this.enlarge).focus({ preventScroll: true }); // keys go on to the stage
    }

    /* --- what is seen --- */

    /* Everything anew: in another style, size or colour. */
    redraw() {
      if (!this.film) return;
      this.painted = null;
      this.paint();
      const count = Math.min(this.film.columns, Math.max(4, Math.floor((CELLS * ROWS) / this.film.width)));
      const at = (cell) => Math.round(((cell + 0.5) / count) * this.last); // each at its own time
      const cells = Array.from({ length: count }, (_, cell) => this.film.at(0, at(cell)));
      digitMorph.drawStrip(this.strip, cells, this.settings.style);
    }

    paint() {
      const { position } = this;
      if (position === this.painted) return;
      this.painted = position;
      digitMorph.drawFrame(this.canvas, this.film.at(0, position), this.settings.style, MOST);
      this.marker.style.left = `${(100 * position) / this.last}%`;
      this.track.setAttribute("aria-valuenow", position + 1);
      const seen = this.morph.ribbon.map((place) => place[position]?.[0] ?? "").join("");
      this.track.setAttribute("aria-valuetext", `frame ${position + 1}${seen && `, seen as ${seen}`}`);
    }
  }

  const caption = (numbers) =>
    numbers.length < 4 ? numbers.join(" becomes ") : `${numbers[0]} to ${numbers.at(-1)}, by way of ${numbers.length - 2} more`;

  /* Make the player of an element that has player.html in it. A player that was there before, such as one that is
     shown until the page is whole, makes way: its morph goes on where it is. */
  digitMorph.mountPlayer = (element, morph) => {
    const before = digitMorph.player;
    const player = new Player(element);
    digitMorph.player = player;
    const coming = before?.coming ?? morph;
    if (before?.film && before.morph === coming) player.follow(before);
    else if (coming) player.show(coming);
    if (before) Object.assign(before, { coming: null }).play(false);
    if (morph) digitMorph.morph ??= morph;
  };
})();
