/* Taking a morph along: files on demand, and the link. A link is #m=, the permalink of what is morphed, and where it
   is not shown as usual, how. */
(() => {
  digitMorph.LOOK = { fps: 30, playback: "bounce", style: "ink", size: 512 }; // as in vae/ui/permalink.py

  const look = () =>
    Object.fromEntries(Object.keys(digitMorph.LOOK).map((name) => [name, digitMorph.fields[name] ?? digitMorph.LOOK[name]]));

  const unusual = () => Object.entries(look()).filter(([name, value]) => value !== digitMorph.LOOK[name]);

  digitMorph.mountDownloads = (element, trigger, name) => {
    const said = element.querySelector(".said");

    async function save(format) {
      said.textContent = "Making the file …";
      try {
        const { blob, name } = await digitMorph.ask("file", { permalink: digitMorph.morph.permalink, format, ...look() });
        const href = URL.createObjectURL(blob);
        digitMorph.make("a", { href, download: name }).click();
        setTimeout(() => URL.revokeObjectURL(href), 60_000);
        said.textContent = "";
      } catch (error) {
        said.textContent = error.message;
      }
    }

    async function copy() {
      const { permalink } = digitMorph.morph;
      const fragment = new URLSearchParams([["m", permalink], ...unusual()]);
      const address = `${location.origin}${location.pathname}${location.search}#${fragment}`;
      history.replaceState(null, "", address);
      if (document.documentElement.dataset.tab === "draw") digitMorph.kept("link", permalink); // the pads outlive a reload
      const copied = await navigator.clipboard?.writeText(address).then(() => true, () => false);
      said.textContent = copied ? "Link copied. It holds the whole morph." : "The link is in the address bar.";
    }

    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || !digitMorph.morph) return;
      if (button.dataset.format) save(button.dataset.format);
      else copy();
    });

    /* Values for Gradio's fields, by name, that came with a link. */
    let values = {};
    digitMorph.fill = (given) => { values = given; Object.assign(digitMorph.fields, given); trigger(name); };
    digitMorph.filled = () => Object.assign(digitMorph.fields, values);

    digitMorph.downloads = element;
    digitMorph.openLink();
    digitMorph.changed();
  };

  /* The address of a morph, as `copy` makes it. */
  digitMorph.openLink = () => {
    if (!digitMorph.downloads || !location.hash.startsWith("#m=")) return;
    const { m, ...rest } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
    const known = Object.entries(rest).filter(([name]) => name in digitMorph.LOOK);
    const usual = (name) => typeof digitMorph.LOOK[name];
    digitMorph.reopen(m, Object.fromEntries(known.map(([name, value]) => [name, usual(name) === "number" ? Number(value) : value])));
  };
})();
