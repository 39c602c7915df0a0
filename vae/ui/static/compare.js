/* Compare: every model's film on a canvas of its own, all by one clock; the charts of the trainings. */
(() => {
  digitMorph.mountCompare = (element) => {
    const find = (selector) => element.querySelector(selector);
    let shown = null;

    const clock = new digitMorph.Clock("compare", {
      slider: find("input[type=range]"),
      button: find(".play"),
      show(frame) {
        if (!shown) return;
        shown.panels.forEach(({ canvas, marker }, i) => {
          digitMorph.drawFrame(canvas, shown.film.at(i, frame));
          marker.style.left = `${(100 * frame) / (shown.frames - 1)}%`;
        });
        clock.slider.setAttribute("aria-valuetext", `frame ${frame + 1} of ${shown.frames}`);
      },
    });

    const tab = new digitMorph.LazyTab("compare", find(".compare"), () => digitMorph.ask("compare", { permalink: digitMorph.morph.permalink }), show);
    digitMorph.compare = tab;

    async function show(made) {
      const film = await digitMorph.unpack(made.film);
      find(".name").textContent = made.title;
      const there = new Map(made.panels.map((panel) => [panel.key, panel]));
      for (const figure of element.querySelectorAll(".entry")) figure.hidden = !there.has(figure.dataset.key);
      const panels = made.panels.map(({ key, ribbon }) => {
        const figure = find(`.entry[data-key="${key}"]`);
        digitMorph.drawRibbon(figure.querySelector(".sure"), [ribbon], Math.max(1, ribbon.length - 1), { rise: 0.9, labelled: made.places === 1 });
        return { canvas: figure.querySelector("canvas"), marker: figure.querySelector(".marker") };
      });
      shown = { film, panels, frames: made.frames };
      rebuilt("read", made.read, null);
      for (const [preset, { digits, nats }] of Object.entries(made.rebuilt)) rebuilt(preset, digits, nats);
      clock.start(made.frames);
    }

    function rebuilt(preset, digits, nats) {
      find(`.rebuilt[data-preset="${preset}"] .digits`)?.replaceChildren(
        ...digits.map((ink, i) => {
          const cell = digitMorph.make("span");
          cell.append(digitMorph.picture(ink), digitMorph.make("small", { textContent: nats?.[i].toFixed(0) ?? "" }));
          return cell;
        }),
      );
    }

    for (const figure of element.querySelectorAll(".chart")) chart(figure);
  };

  /* Reads a chart out: the losses of the epoch under the pointer, or that the arrow keys chose. */
  function chart(figure) {
    const epochs = JSON.parse(figure.dataset.epochs);
    const svg = figure.querySelector("svg");
    const hair = figure.querySelector(".hair");
    const readout = figure.querySelector(".readout");
    const { width } = svg.viewBox.baseVal;
    const [left, right] = [40, width - 8]; // LEFT and RIGHT in vae/ui/tabs/scoreboard.py
    let chosen = epochs.length - 1;

    function choose(i, asked = true) {
      chosen = i;
      const [epoch, train, validation] = epochs[chosen];
      const x = left + (chosen / Math.max(1, epochs.length - 1)) * (right - left);
      for (const end of ["x1", "x2"]) hair.setAttribute(end, x);
      figure.classList.toggle("read", asked);
      readout.textContent = `epoch ${epoch}: ${train.toFixed(1)} learning, ${validation.toFixed(1)} held back`;
      svg.setAttribute("aria-valuenow", epoch);
      svg.setAttribute("aria-valuetext", readout.textContent);
    }

    svg.addEventListener("pointermove", (event) => {
      const x = digitMorph.shares(svg, event)[0] * width;
      const at = Math.round(((x - left) / (right - left)) * (epochs.length - 1));
      choose(Math.min(epochs.length - 1, Math.max(0, at)));
    });
    svg.addEventListener("pointerleave", () => choose(epochs.length - 1, false));
    digitMorph.onSliderKeys(svg, { range: () => [0, epochs.length - 1], value: () => chosen, move: choose });
    choose(chosen, false);
  }
})();
