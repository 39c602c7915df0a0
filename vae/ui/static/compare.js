/* Compare: every model's film on a canvas of its own, all by one clock; the charts of the trainings. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  digitMorph.mountCompare = (element, trigger) => {
    const find = (selector) => element.querySelector(selector);
    let shown = null;

    const clock = new digitMorph.Clock("compare", {
      slider: find("input[type=range]"),
      button: find(".play"),
      show(frame) {
        if (!shown) return;
        shown.panels.forEach(({ canvas, marker }, i) => {
          digitMorph.develop(canvas, shown.film(i, frame));
          marker.style.left = `${(100 * frame) / (shown.frames - 1)}%`;
        });
        clock.slider.setAttribute("aria-valuetext", `frame ${frame + 1} of ${shown.frames}`);
      },
    });

    const sight = new digitMorph.Sight("compare", element.querySelector(".compare"), () => trigger("compare"), show);
    digitMorph.compared = (made) => sight.answered(made);

    async function show(made) {
      const film = await digitMorph.film(made.film, made.frames, 28 * made.places);
      find(".name").textContent = made.title;
      const there = new Map(made.panels.map((panel) => [panel.key, panel]));
      for (const figure of element.querySelectorAll(".entry")) figure.hidden = !there.has(figure.dataset.key);
      const panels = made.panels.map(({ key, ribbon }) => {
        const figure = find(`.entry[data-key="${key}"]`);
        hill(figure.querySelector(".sure"), ribbon, made.places);
        return { canvas: figure.querySelector("canvas"), marker: figure.querySelector(".marker") };
      });
      shown = { film, panels, frames: made.frames };
      rebuilt("read", made.read, null);
      for (const [preset, { digits, nats }] of Object.entries(made.rebuilt)) rebuilt(preset, digits, nats);
      clock.drawn = false;
      clock.start(made.frames);
    }

    function rebuilt(preset, digits, nats) {
      find(`.rebuilt[data-preset="${preset}"] .digits`)?.replaceChildren(
        ...digits.map((ink, i) => {
          const cell = document.createElement("span");
          const text = Object.assign(document.createElement("small"), { textContent: nats ? nats[i].toFixed(0) : "" });
          cell.append(digitMorph.picture(ink), text);
          return cell;
        }),
      );
    }

    for (const figure of element.querySelectorAll(".chart")) chart(figure);
  };

  /* How sure the reader is, as a hill over the frames, and of a single place the digit that it sees. */
  function hill(box, ribbon, places) {
    const last = Math.max(1, ribbon.length - 1);
    const svg = box.querySelector("svg");
    svg.setAttribute("viewBox", `0 0 ${last} 1`);
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", "M0 1" + ribbon.map(([, sure], i) => `L${i} ${(1 - 0.9 * sure).toFixed(3)}`).join("") + `L${last} 1Z`);
    svg.replaceChildren(path);
    box.querySelector(".seen").replaceChildren(
      ...digitMorph.runs(places > 1 ? [] : ribbon).map(({ digit, start, end, sure }) => {
        const label = document.createElement("span");
        label.textContent = sure < 0.5 ? "?" : digit;
        label.style.left = `${(50 * (start + end)) / last}%`;
        return label;
      }),
    );
  }

  /* Reads a chart out: the losses of the epoch under the pointer, or that the arrow keys chose. */
  function chart(figure) {
    const epochs = JSON.parse(figure.dataset.epochs);
    const svg = figure.querySelector("svg");
    const hair = figure.querySelector(".hair");
    const readout = figure.querySelector(".readout");
    const { width } = svg.viewBox.baseVal;
    const [left, right] = [40, width - 8]; // LEFT and RIGHT in vae/ui/scoreboard.py
    let chosen = epochs.length - 1;

    function choose(i, asked = true) {
      chosen = Math.min(epochs.length - 1, Math.max(0, i));
      const [epoch, train, validation] = epochs[chosen];
      const x = left + (chosen / Math.max(1, epochs.length - 1)) * (right - left);
      for (const end of ["x1", "x2"]) hair.setAttribute(end, x);
      figure.classList.toggle("read", asked);
      readout.textContent = `epoch ${epoch}: ${train.toFixed(1)} learning, ${validation.toFixed(1)} held back`;
      svg.setAttribute("aria-valuenow", epoch);
      svg.setAttribute("aria-valuetext", readout.textContent);
    }

    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * width;
      choose(Math.round(((x - left) / (right - left)) * (epochs.length - 1)));
    });
    svg.addEventListener("pointerleave", () => choose(epochs.length - 1, false));
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      const to = { Home: 0, End: epochs.length - 1 }[event.key] ?? (by && chosen + by);
      if (to === undefined) return;
      choose(to);
      event.preventDefault();
    });
    choose(chosen, false);
  }
})();
