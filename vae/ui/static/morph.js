/* A morph: asked of the server, waited for, arrived. */
(() => {
  const root = document.documentElement;
  const PATIENCE = 2500; // ms after which the page says what it waits for
  const AT_ONCE = 2; // morphs that the server makes side by side
  let waiting = 0;
  let patience = 0;
  let since = 0;
  let took = 1; // s, of the last morph

  digitMorph.showError = (text) => { document.querySelector(".fault").textContent = text; };

  digitMorph.busy = busy;
  function busy(on) {
    clearTimeout(waiting);
    clearTimeout(patience);
    if (!on && since) took = (performance.now() - since) / 1000;
    since = on ? performance.now() : 0;
    if (on) {
      waiting = setTimeout(() => root.setAttribute("data-busy", ""), 250);
      patience = setTimeout(sayWhy, PATIENCE);
    } else root.removeAttribute("data-busy");
    document.querySelector("#morph")?.setAttribute("aria-busy", String(on));
  }

  /* A long wait: how many are in the queue, and about how long they take. */
  async function sayWhy() {
    const address = `${window.gradio_config?.root ?? ""}/healthz`;
    const ahead = await fetch(address).then((answer) => answer.json(), () => ({})).then((found) => found.waiting ?? 0);
    if (!since) return;
    const seconds = Math.ceil(((ahead + 1) * took) / AT_ONCE);
    digitMorph.showError(ahead ? `The server is busy: ${ahead} waiting, about ${seconds} seconds.` : "Still at it; many frames take a while.");
  }

  /* What the server gets: the open tab and the drawings in place of the first three values. After Swap or
     Random, pads that are not both drawn on ask for nothing. */
  digitMorph.asked = ([, , , ...rest], byHand) => {
    const given = sheets().map((sheet) => sheet.sent());
    const idle = !byHand && root.dataset.tab !== "type" && given.some((sent) => !(sent?.length || sent?.number));
    busy(!idle);
    digitMorph.showError("");
    return [idle ? "idle" : root.dataset.tab, ...given, ...rest];
  };

  const sheets = () => {
    const { source, target } = root.dataset.tab === "upload" ? digitMorph.uploads : digitMorph.pads;
    return [source, target];
  };

  /* Two pictures from another tab become the morph on the stage, as if they had been chosen under Upload. */
  digitMorph.bring = (pictures) => {
    digitMorph.goTo("upload");
    for (const [i, sheet] of sheets().entries()) sheet.set({ pictures: [pictures[i]] });
    const morph = document.querySelector("#morph");
    morph.focus({ preventScroll: true }); // the button that was pressed is out of sight now
    morph.click();
  };

  digitMorph.swapped = ([source, target, via]) => {
    if (root.dataset.tab === "type") return [target, source, via.trim().split(/[\s,]+/).reverse().join(" ")];
    const [one, other] = sheets();
    const held = one.content;
    one.set(other.content);
    other.set(held);
    return [source, target, via];
  };

  digitMorph.random = ([source, target, via]) => {
    const one = digitMorph.anyNumber();
    let other = one;
    while (other === one) other = digitMorph.anyNumber(one.length);
    if (root.dataset.tab === "type") return [one, other, ""];
    for (const [i, sheet] of sheets().entries()) sheet.write(i ? other : one);
    return [source, target, via];
  };

  digitMorph.arrived = (morph) => {
    busy(false);
    if (!morph) return;
    digitMorph.showError(morph.error ?? "");
    if (morph.error) return;
    digitMorph.player.show(morph); // also the same one again: it starts from the beginning
    digitMorph.morph = morph;
    root.dispatchEvent(new CustomEvent("morph", { detail: morph })); // what takes a morph further listens
    showReading("source", morph.sides[0]);
    showReading("target", morph.sides.at(-1));
    const film = document.querySelector(".film").getBoundingClientRect();
    if (film.top < 0 || film.bottom > innerHeight) document.querySelector("#stage").scrollIntoView({ block: "center" });
  };

  /* A link's morph: what it was made of lies ready to go on from, unless it was there before a reload. */
  digitMorph.reopened = (morph) => {
    if (morph && !morph.error) {
      const ends = [morph.sides[0], morph.sides.at(-1)];
      const typed = ends.every((side) => side.typed); // the fields have them already
      digitMorph.openTab(typed ? "type" : "draw");
      if (!typed && digitMorph.kept("link") !== morph.permalink)
        for (const [i, { typed, number, digits }] of ends.entries())
          sheets()[i].set(typed ? { number } : { carried: digits.map(({ ink }) => ink) });
      digitMorph.kept("link", morph.permalink);
    }
    digitMorph.arrived(morph);
  };

  /* The server gave no answer of ours: it was busy, or refused a value. */
  digitMorph.failed = () => { busy(false); digitMorph.showError(digitMorph.SORRY); };

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
