/* How it works: one digit's morph taken apart, all of its pictures moved by one clock. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const REACH = 4; // of the bars: latents from -4 to 4
  const wish = { recipe: "", place: 0 };
  let drawing = null; // what was on the pads when the last drawn morph arrived

  document.documentElement.addEventListener("morph", ({ detail: morph }) => {
    wish.place = 0;
    const { source, target } = digitMorph.pads;
    const byPad = document.documentElement.dataset.tab === "draw" && source && target;
    drawing = byPad ? { recipe: morph.recipe, pictures: [source.picture(), target.picture()] } : null;
  });

  const element = (name, attributes = {}) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };

  digitMorph.mountHow = (root, trigger) => {
    const find = (selector) => root.querySelector(selector);
    const all = (selector) => [...root.querySelectorAll(selector)];
    const [gridFrom, gridTo, pixels] = all("canvas.pixels");
    let shown = null;

    const clock = new digitMorph.Clock("how", {
      slider: find("input[type=range]"),
      button: find(".play"),
      seconds: 4,
      show(frame) {
        if (!shown) return;
        const { film, made, bars, dot } = shown;
        const levels = film(0, frame);
        const ink = getComputedStyle(gridFrom).color;
        if (ink !== shown.ink) still(made); // first sight, or the colours changed
        shown.ink = ink;
        digitMorph.develop(find("canvas.large"), levels);
        paint(pixels, odds(levels));
        made.z[frame].forEach((value, i) => {
          const y = Math.max(-REACH, Math.min(REACH, -value));
          bars[i].setAttribute("d", `M${i * 10 + 5} ${y - 0.07}v0.14`);
        });
        const [x, y] = made.path[frame];
        dot.setAttribute("d", `M${x} ${-y}h0`);
        const alpha = made.alpha[frame].toFixed(2);
        const along = `${Math.round(100 * made.alpha[frame])}%`;
        find(".alpha").textContent = along;
        find(".live").textContent = `Now α = ${alpha}, and the straight line would be at ${(1 - made.alpha[frame]).toFixed(2)} z₁ + ${alpha} z₂.`;
        clock.slider.setAttribute("aria-valuetext", `${along} of the way`);
      },
    });

    const ask = () => ((wish.recipe = digitMorph.morph.recipe), trigger("explain"));
    const sight = new digitMorph.Sight("how", find(".how"), ask, show);
    digitMorph.explanation = () => ({ ...wish });
    digitMorph.explained = (made) => sight.answered(made);

    async function show(made) {
      const film = await digitMorph.film(made.film, made.frames, 28);
      const [from, to] = made.ends;
      find(".name").textContent = made.numbers.join(" becomes ");
      choices(made);
      find(".count").textContent = made.latents;
      find(".first").textContent = `your ${from.digit}`;
      find(".second").textContent = `your ${to.digit}`;
      find(".bound").innerHTML = made.ends
        .map(({ digit, reconstruction, kl }) => `<span>your ${digit}: log p(x) ≥ −${reconstruction.toFixed(1)} − ${kl.toFixed(1)} = <b>−${(reconstruction + kl).toFixed(1)} nats</b></span>`)
        .join("");
      for (const words of all(".walk")) words.hidden = words.dataset.way !== made.way;
      const bars = drawBars(find(".bars svg"), made);
      shown = { film, made, bars, dot: drawMap(find(".map"), made) };
      clock.drawn = false;
      clock.start(made.frames);
    }

    /* What does not move: the numbers as they came, and as they were read. */
    function still(made) {
      all(".came figure").forEach((figure, i) => origin(figure, made, i));
      [gridFrom, gridTo].forEach((canvas, i) => {
        paint(canvas, digitMorph.bytes(made.ends[i].ink));
        canvas.setAttribute("aria-label", `The ${made.ends[i].digit} as 28 by 28 pixels`);
        canvas.nextElementSibling.textContent = i ? "to" : "from";
      });
    }

    /* Numbers of several digits: which of them is taken apart. */
    function choices(made) {
      const box = find(".choice");
      box.hidden = made.places < 2;
      box.replaceChildren(
        ...Array.from({ length: made.places }, (_, place) => {
          const [a, b] = made.numbers.map((number, i) => number[made.at[i] - made.place + place]);
          const button = Object.assign(document.createElement("button"), { type: "button", textContent: `${a} → ${b}` });
          button.setAttribute("aria-pressed", String(place === made.place));
          button.onclick = () => ((wish.place = place), sight.look(place));
          return button;
        }),
      );
    }

    /* A number as it came: the drawing, the typed figures, or (from a link, an upload) as it was read. */
    function origin(figure, made, i) {
      const box = figure.querySelector(".origin");
      const caption = figure.querySelector("figcaption");
      const number = made.numbers[i];
      if (made.typed[i]) {
        box.replaceChildren(Object.assign(document.createElement("span"), { className: "figures", textContent: number }));
        caption.textContent = `typed, in handwriting ${made.seed}`;
      } else if (drawing?.recipe === digitMorph.morph.recipe && drawing.pictures[i]) {
        box.replaceChildren(Object.assign(new Image(), { src: drawing.pictures[i], alt: `Your drawing of ${number}` }));
        caption.textContent = "your drawing";
      } else {
        const canvas = Object.assign(document.createElement("canvas"), { className: "large" });
        box.replaceChildren(canvas);
        digitMorph.develop(canvas, levels(digitMorph.bytes(made.ends[i].ink)));
        caption.textContent = `a ${made.ends[i].digit}, as it was read`;
      }
    }
  };

  /* 784 bytes of ink on a canvas of 28 x 28. */
  function paint(canvas, ink) {
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(28, 28);
    const [red, green, blue] = getComputedStyle(canvas).color.match(/\d+/g);
    ink.forEach((value, i) => image.data.set([red, green, blue, value], 4 * i));
    pen.putImageData(image, 0, 0);
  }

  /* Levels of a film (log-odds, 0 to 63) -> probabilities as bytes, and back. */
  const odds = (film) => Uint8Array.from(film, (level) => 255 / (1 + 49 ** (1 - (2 * level) / 63)));
  const levels = (ink) =>
    Uint8Array.from(ink, (value) => {
      const p = Math.min(0.98, Math.max(0.02, value / 255));
      return Math.round(31.5 * (1 + Math.log(p / (1 - p)) / Math.log(49)));
    });

  /* For every latent the two posteriors, source left and target right of its middle; returns what moves. */
  function drawBars(svg, made) {
    svg.setAttribute("viewBox", `0 ${-REACH} ${made.latents * 10} ${2 * REACH}`);
    const said = made.ends.map(({ digit, mu }) => `${digit}: ${mu.map((value) => value.toFixed(1)).join(", ")}`);
    svg.setAttribute("aria-label", "Means of the latents of " + said.join("; of "));
    const moving = made.z[0].map(() => element("path", { class: "now" }));
    const ends = made.ends.flatMap(({ mu, sigma }, i) => {
      const x = (dimension) => dimension * 10 + (i ? 7.4 : 2.6);
      const name = i ? "to" : "from";
      const spread = mu.map((value, d) => `M${x(d)} ${-value - sigma[d]}V${-value + sigma[d]}`).join("");
      const means = mu.map((value, d) => `M${x(d)} ${-value}h0`).join("");
      return [element("path", { class: `spread ${name}`, d: spread }), element("path", { class: `mean ${name}`, d: means })];
    });
    const width = made.latents * 10;
    svg.replaceChildren(
      element("rect", { class: "prior", x: 0, y: -1, width, height: 2 }),
      element("path", { class: "rule", d: `M0 0H${width}M0 -3H${width}M0 3H${width}` }),
      ...ends,
      ...moving,
    );
    return moving;
  }

  /* The plane of the path: codes of people's digits, the straight line, the path; returns the moving dot. */
  function drawMap(svg, made) {
    const points = [...made.path, ...made.codes.flat()];
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => -y)];
    const bounds = (values) => [Math.min(...values) - 0.4, Math.max(...values) + 0.4];
    const [[left, right], [top, bottom]] = [bounds(xs), bounds(ys)];
    svg.setAttribute("viewBox", `${left} ${top} ${right - left} ${bottom - top}`);
    const [from, to] = made.ends.map(({ digit }) => digit);
    svg.setAttribute("aria-label", `The path from ${from} to ${to} among the codes of other digits, seen from above`);
    const dots = (list) => list.map(([x, y]) => `M${x} ${-y}h0`).join("");
    const line = (list) => "M" + list.map(([x, y]) => `${x} ${-y}`).join("L");
    const ends = [made.path[0], made.path.at(-1)];
    const dot = element("path", { class: "here" });
    svg.replaceChildren(
      ...made.codes.map((codes, i) => element("path", { class: `cloud ${i ? "to" : "from"}`, d: dots(codes) })),
      element("path", { class: "straight", d: line(ends) }),
      element("path", { class: "walked", d: line(made.path) }),
      element("path", { class: "end from", d: dots(ends.slice(0, 1)) }),
      element("path", { class: "end to", d: dots(ends.slice(1)) }),
      dot,
    );
    return dot;
  }
})();
