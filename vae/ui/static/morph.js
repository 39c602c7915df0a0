/* The morph of what is on both sides. It makes itself whenever that changes, and at the press of Morph; of several
   wishes the newest wins: one is on its way, the latest waits, and what comes too late is not shown. */
(() => {
  const root = document.documentElement;
  const PATIENCE = 2500; // ms after which the page says what it waits for
  const AT_ONCE = 2; // morphs that the server makes side by side
  const MADE_BY = ["steps", "path", "speed", "seed", "hand"]; // of the fields, what the frames depend on
  const SHOWN_BY = ["fps", "playback", "style"]; // what the player does by itself

  digitMorph.fields = {}; // what stands in Gradio's fields, by name; none until they are all there
  digitMorph.live = true; // whether the page asks without a press
  digitMorph.slow = 800; // ms of an answer after which it does not

  let flying = null; // asked for, and not answered yet
  let next = null; // to be asked for after that
  let shown = ""; // what the morph on the stage was made of
  let due = false;
  let linked = location.hash.startsWith("#m="); // a link's morph comes first
  let timers = [];
  let took = 1; // s, of the last answer

  digitMorph.showError = (text) => { document.querySelector(".fault").textContent = text; };

  const sheets = () => {
    const { source, target } = root.dataset.tab === "upload" ? digitMorph.uploads : digitMorph.pads;
    return [source, target];
  };

  /* What the server would be asked for: the sides of the open tab and the options; null where a side is empty, or is
     being drawn. */
  function wanted() {
    const { source, target, via, ...fields } = digitMorph.fields;
    if (source === undefined) return null;
    const options = Object.fromEntries(MADE_BY.map((name) => [name, fields[name]]));
    if (root.dataset.tab === "type") return source && target ? { source: { number: source }, target: { number: target }, via, ...options } : null;
    const [one, other] = sheets().map((sheet) => sheet?.sent());
    return one && other ? { source: one, target: other, ...options } : null;
  }

  const missing = () => {
    const side = root.dataset.tab === "type" ? (digitMorph.fields.source === "" ? 0 : 1) : sheets().findIndex((sheet) => !sheet.sent());
    const act = { draw: "draw or type", type: "type", upload: "choose or type" }[root.dataset.tab];
    return `The ${["first", "second"][side]} number is missing: ${act} one on the ${["left", "right"][side]}.`;
  };

  /* Something has changed: look at it when all that changes at once has changed. */
  digitMorph.changed = (names, values) => {
    if (names) names.forEach((name, i) => { digitMorph.fields[name] = values[i]; });
    digitMorph.player?.look(look());
    soon();
  };

  function soon() {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      if (digitMorph.player && !linked && root.hasAttribute("data-morph-tab")) refresh({});
    });
  }

  const look = () => Object.fromEntries(SHOWN_BY.filter((name) => name in digitMorph.fields).map((name) => [name, digitMorph.fields[name]]));

  /* Ask for what is wanted, unless it is there or on its way. `pressed`: somebody waits for it. */
  function refresh({ pressed = false, said = pressed }) {
    const value = wanted();
    if (!value) {
      next = null;
      if (said) digitMorph.showError(missing());
      return;
    }
    const key = JSON.stringify(value);
    if (key === shown && !flying) {
      digitMorph.showError("");
      if (pressed) { digitMorph.player.restart(); insight(); }
    } else if (key === flying?.key) {
      next = null;
      flying.pressed ||= pressed;
    } else if (pressed || digitMorph.live) {
      next = { value, key, pressed };
      send();
    } else digitMorph.showError("Press Morph to see this one: the server is busy.");
  }

  async function send() {
    if (flying || !next) return;
    [flying, next] = [next, null];
    const since = performance.now();
    wait(true);
    let made = null;
    let error = null;
    try {
      made = await digitMorph.ask("morph", flying.value);
    } catch (failed) {
      error = failed;
    }
    took = (performance.now() - since) / 1000;
    const answered = flying;
    flying = null;
    wait(false);
    goOn(error, took);
    if (next) return send();
    const now = wanted();
    if (digitMorph.live && !answered.pressed && JSON.stringify(now) !== answered.key) return; // taken back meanwhile
    if (error) digitMorph.showError(error.message);
    else arrived(made, answered);
  }

  /* A busy server is asked only by hand, until it is quick again. */
  function goOn(error, seconds) {
    digitMorph.live = !(error?.busy || digitMorph.waiting || seconds * 1000 > digitMorph.slow);
  }

  function arrived(morph, { key, pressed }) {
    shown = key;
    digitMorph.showError("");
    digitMorph.player.show(morph);
    digitMorph.morph = morph;
    root.dispatchEvent(new CustomEvent("morph", { detail: morph })); // what takes a morph further listens
    showReading("source", morph.sides[0]);
    showReading("target", morph.sides.at(-1));
    if (pressed) insight();
  }

  function insight() {
    const film = document.querySelector(".film").getBoundingClientRect();
    if (film.top < 0 || film.bottom > innerHeight) document.querySelector("#stage").scrollIntoView({ block: "center" });
  }

  /* --- waiting --- */

  function wait(on) {
    timers.forEach(clearTimeout);
    timers = on ? [setTimeout(() => root.setAttribute("data-busy", ""), 250), setTimeout(sayWhy, PATIENCE)] : [];
    if (!on) root.removeAttribute("data-busy");
    document.querySelector("#morph")?.setAttribute("aria-busy", String(on));
  }

  /* A long wait: how many are in the queue, and about how long they take. */
  async function sayWhy() {
    const ahead = await digitMorph.queue();
    if (!flying) return;
    const seconds = Math.ceil(((ahead + 1) * took) / AT_ONCE);
    digitMorph.showError(ahead ? `The server is busy: ${ahead} waiting, about ${seconds} seconds.` : "Still at it; this takes longer than usual.");
  }

  /* --- what the buttons do; Gradio's fields are given to them, and filled in by what they change --- */

  digitMorph.acted = async (names, values, act) => {
    names.forEach((name, i) => { digitMorph.fields[name] = values[i]; });
    await act();
    digitMorph.changed();
    return names.map((name) => digitMorph.fields[name]);
  };

  digitMorph.press = () => refresh({ pressed: true });
  const act = () => refresh({ pressed: true, said: false });

  digitMorph.another = () => {
    digitMorph.fields.seed = (Number(digitMorph.fields.seed) + 1) % 2 ** 31;
    act();
  };

  digitMorph.swap = () => {
    const { fields } = digitMorph;
    if (root.dataset.tab === "type") {
      const via = fields.via.trim().split(/[\s,]+/).reverse().join(" ");
      Object.assign(fields, { source: fields.target, target: fields.source, via });
    } else {
      const [one, other] = sheets();
      const held = one.content;
      one.set(other.content);
      other.set(held);
    }
    act();
  };

  digitMorph.random = () => {
    const one = digitMorph.anyNumber();
    let other = one;
    while (other === one) other = digitMorph.anyNumber(one.length);
    if (root.dataset.tab === "type") Object.assign(digitMorph.fields, { source: one, target: other, via: "" });
    else for (const [i, sheet] of sheets().entries()) sheet.write(i ? other : one);
    act();
  };

  digitMorph.countdown = () => {
    Object.assign(digitMorph.fields, { source: "10", target: "0", via: "9 8 7 6 5 4 3 2 1", steps: 24 });
    act();
  };

  /* Two pictures from another tab become the morph on the stage, as if they had been chosen under Upload. */
  digitMorph.bring = (pictures) => {
    digitMorph.goTo("upload");
    for (const [i, sheet] of sheets().entries()) sheet.set({ pictures: [pictures[i]] });
    document.querySelector("#morph").focus({ preventScroll: true }); // the button that was pressed is out of sight now
    act();
  };

  root.addEventListener("tab", ({ detail }) => detail === root.dataset.tab && soon());

  /* A link's morph: what it was made of lies ready to go on from, unless it was there before a reload. */
  digitMorph.reopen = async (permalink, look) => {
    wait(true);
    try {
      const { morph, fields } = await digitMorph.ask("reopen", { permalink });
      const ends = [morph.sides[0], morph.sides.at(-1)];
      const typed = ends.every((side) => side.typed);
      digitMorph.openTab(typed ? "type" : "draw");
      const drawnOver = !typed && digitMorph.kept("link") === permalink; // and reloaded since
      if (!typed && !drawnOver)
        for (const [i, { typed, number, digits }] of ends.entries())
          sheets()[i].set(typed ? { number } : { carried: digits.map(({ ink }) => ink) });
      digitMorph.kept("link", permalink);
      const given = Object.entries({ ...fields, ...look }).filter(([, value]) => value !== null);
      digitMorph.fill(Object.fromEntries(given));
      digitMorph.player.look({ ...digitMorph.LOOK, ...look });
      arrived(morph, { key: drawnOver ? "" : JSON.stringify(wanted()), pressed: true });
    } catch (error) {
      digitMorph.showError(error.message);
    }
    linked = false;
    wait(false);
  };

  /* How a number was read: the pictures as the model sees them, and in words what it takes them for. */
  function showReading(place, side) {
    const box = document.getElementById(`reading-${place}`);
    box.classList.toggle("many", side.digits.length > 3);
    box.replaceChildren(
      ...side.digits.map((seen) => {
        const cell = digitMorph.make("span", { className: "cell" });
        const text = digitMorph.make("span", { className: "verdict" });
        text.innerHTML = seen.known
          ? `<b>${seen.digit}</b> ${Math.min(99, Math.round(seen.sure * 100))}%${side.digits.length > 2 ? "" : " sure"}`
          : "looks like nothing I know";
        cell.append(digitMorph.picture(seen.ink), text);
        return cell;
      }),
    );
  }
})();
