/* Digit Morph's page: which tab is open, day and night, and what goes to and comes from the server.
   Everything hangs on one object; the other scripts add their parts to it. */
const digitMorph = (window.digitMorph = { pads: {}, player: null, keep: null, morph: null });

(() => {
  const root = document.documentElement;
  const BENCH = ["draw", "type", "upload"];
  const TABS = [...BENCH, "explore", "compare", "how"];

  /* --- tabs: links to #draw, #type ...; the open one is an attribute of <html>, CSS does the rest --- */

  function open(tab) {
    root.dataset.tab = tab;
    root.toggleAttribute("data-bench", BENCH.includes(tab));
    root.dispatchEvent(new CustomEvent("tab", { detail: tab })); // what is made on first sight listens
    for (const link of document.querySelectorAll("nav.tabs a")) {
      const here = link.hash === "#" + tab;
      here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
      if (here) link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.clientWidth / 2; // a phone's row
    }
  }

  function go(tab) {
    history.pushState(null, "", location.pathname + location.search + "#" + tab);
    open(tab);
  }

  const known = (hash) => TABS.includes(hash.slice(1));
  const recipe = () => (location.hash.startsWith("#m=") ? location.hash.slice(3) : "");

  function follow() {
    if (known(location.hash)) open(location.hash.slice(1));
    else if (recipe() && digitMorph.keep) digitMorph.reopen(recipe());
  }

  window.addEventListener("hashchange", follow);
  open(known(location.hash) ? location.hash.slice(1) : "draw");

  digitMorph.mountHeader = (element) => {
    element.querySelector("nav.tabs").addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link) return;
      event.preventDefault(); // the page's <base> would make it another address
      go(link.hash.slice(1));
    });
    window.addEventListener("popstate", follow);
    element.querySelector(".dusk").addEventListener("click", () => dress(!isNight(), true));
    open(root.dataset.tab);
    dress(isNight());
  };

  /* --- day and night: the system's choice, until the visitor makes one --- */

  const isNight = () => {
    const chosen = memory("theme") ?? new URLSearchParams(location.search).get("__theme");
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };

  function memory(name, value) {
    try {
      if (value !== undefined) localStorage.setItem("digit-morph-" + name, value);
      return localStorage.getItem("digit-morph-" + name);
    } catch {
      return null; // a frame without storage
    }
  }

  function dress(night, byHand = false) {
    if (byHand) memory("theme", night ? "dark" : "light");
    document.body.classList.toggle("dark", night);
    root.style.colorScheme = night ? "dark" : "light";
    const dusk = document.querySelector(".dusk");
    if (dusk) dusk.textContent = night ? "Light" : "Dark";
    if (dusk) dusk.setAttribute("aria-label", night ? "Use light colours" : "Use dark colours");
    Object.values(digitMorph.pads).forEach((pad) => pad.paint());
  }

  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => dress(isNight()));

  /* --- a morph: asked for, arrived --- */

  const PATIENCE = 2500; // ms after which the page says what it waits for
  const AT_ONCE = 2; // morphs that the server makes side by side
  let waiting = 0;
  let since = 0;
  let took = 1; // s, of the last morph

  function busy(on) {
    clearTimeout(waiting);
    clearTimeout(digitMorph.patience);
    if (!on && since) took = (performance.now() - since) / 1000;
    since = on ? performance.now() : 0;
    if (on) {
      waiting = setTimeout(() => root.setAttribute("data-busy", ""), 250);
      digitMorph.patience = setTimeout(sayWhy, PATIENCE);
    } else root.removeAttribute("data-busy");
    document.querySelector("#morph")?.setAttribute("aria-busy", String(on));
  }

  /* A long wait: how many are in the queue, and about how long they take. */
  async function sayWhy() {
    const address = (window.gradio_config?.root ?? "") + "/healthz";
    const ahead = await fetch(address).then((answer) => answer.json(), () => ({})).then((found) => found.waiting ?? 0);
    if (!since) return;
    const seconds = Math.ceil(((ahead + 1) * took) / AT_ONCE);
    document.querySelector(".fault").textContent = ahead
      ? `The server is busy: ${ahead} waiting, about ${seconds} seconds.`
      : "Still at it; many frames take a while.";
  }

  /* What the server gets: the open tab and the drawings in place of the first three values. After Swap or
     Random, pads that are not both drawn on ask for nothing. */
  digitMorph.asked = ([, , , ...rest], byHand) => {
    const given = sheets().map((sheet) => sheet.sent());
    const idle = !byHand && root.dataset.tab !== "type" && given.some((sent) => !(sent?.length || sent?.number));
    busy(!idle);
    document.querySelector(".fault").textContent = "";
    return [idle ? "idle" : root.dataset.tab, ...given, ...rest];
  };

  const sheets = () => {
    const { source, target } = root.dataset.tab === "upload" ? digitMorph.uploads : digitMorph.pads;
    return [source, target];
  };

  /* Two pictures from another tab become the morph on the stage, as if they had been chosen under Upload. */
  digitMorph.bring = (pictures) => {
    const { source, target } = digitMorph.uploads;
    [source, target].forEach((side, i) => side.set({ pictures: [pictures[i]] }));
    go("upload");
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
    sheets().forEach((sheet, i) => sheet.write(i ? other : one));
    return [source, target, via];
  };

  digitMorph.arrived = (morph) => {
    busy(false);
    if (!morph) return;
    document.querySelector(".fault").textContent = morph.error ?? "";
    if (morph.error) return;
    digitMorph.player.show(morph); // also the same one again: it starts from the beginning
    digitMorph.morph = morph;
    root.dispatchEvent(new CustomEvent("morph", { detail: morph })); // what takes a morph further listens
    morph.sides.forEach((side, i) => i % (morph.sides.length - 1) || tell(i ? "target" : "source", side));
    const film = document.querySelector(".film").getBoundingClientRect();
    if (film.top < 0 || film.bottom > innerHeight) document.querySelector("#stage").scrollIntoView({ block: "center" });
  };

  /* A link's morph: what it was made of lies ready to go on from, unless it was there before a reload. */
  digitMorph.reopened = (morph) => {
    if (morph && !morph.error) {
      const ends = [morph.sides[0], morph.sides.at(-1)];
      const typed = ends.every((side) => side.typed); // the fields have them already
      open(typed ? "type" : "draw");
      if (!typed && digitMorph.kept("link") !== morph.recipe)
        ends.forEach((side, i) =>
          sheets()[i].set(side.typed ? { number: side.number } : { carried: side.digits.map(({ ink }) => ink) }),
        );
      digitMorph.kept("link", morph.recipe);
    }
    digitMorph.arrived(morph);
  };

  /* The server gave no answer of ours: it was busy, or refused a value. */
  digitMorph.failed = () => {
    busy(false);
    document.querySelector(".fault").textContent = "That did not work. Please try again in a moment.";
  };

  /* How a number was read: the pictures as the model sees them, and in words what it takes them for. */
  function tell(place, side) {
    const box = document.getElementById("reading-" + place);
    box.classList.toggle("many", side.digits.length > 3);
    box.replaceChildren(
      ...side.digits.map((seen) => {
        const cell = Object.assign(document.createElement("span"), { className: "cell" });
        const text = Object.assign(document.createElement("span"), { className: "verdict" });
        text.innerHTML = seen.known
          ? `<b>${seen.digit}</b> ${Math.min(99, Math.round(seen.sure * 100))}%${side.digits.length > 2 ? "" : " sure"}`
          : "looks like nothing I know";
        cell.append(digitMorph.picture(seen.ink), text);
        return cell;
      }),
    );
  }

  /* 784 bytes of ink in base64 -> a canvas of 28 x 28, ink as it is, paper left transparent. */
  digitMorph.picture = (ink) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 28, height: 28, className: "mini" });
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(28, 28);
    digitMorph.bytes(ink).forEach((value, i) => (image.data[4 * i + 3] = value));
    pen.putImageData(image, 0, 0);
    return canvas;
  };

  digitMorph.bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  /* --- keeping it: files on demand, and the link --- */

  digitMorph.mountKeep = (element, trigger) => {
    const said = element.querySelector(".said");
    const format = { recipe: "", format: "" };
    element.addEventListener("click", async (event) => {
      const button = event.target.closest("button");
      if (!button || !digitMorph.morph) return;
      if (button.dataset.format) {
        Object.assign(format, { recipe: digitMorph.morph.recipe, format: button.dataset.format });
        said.textContent = "Making the file …";
        trigger("save");
      } else {
        const address = location.origin + location.pathname + location.search + "#m=" + digitMorph.morph.recipe;
        history.replaceState(null, "", address);
        if (root.dataset.tab === "draw") digitMorph.kept("link", digitMorph.morph.recipe); // the pads outlive a reload
        const copied = await navigator.clipboard?.writeText(address).then(() => true, () => false);
        said.textContent = copied ? "Link copied. It holds the whole morph." : "The link is in the address bar.";
      }
    });
    digitMorph.wished = () => ({ ...format });
    digitMorph.saved = (file, words) => {
      said.textContent = file ? "" : (words ?? "The file could not be made. Please try again.");
      if (!file) return;
      const link = Object.assign(document.createElement("a"), { href: file.url, download: file.orig_name ?? "" });
      link.click();
    };
    digitMorph.reopen = (text) => {
      digitMorph.linked = () => (busy(true), text);
      trigger("reopen");
    };
    digitMorph.keep = element;
    if (recipe()) follow();
  };
})();
