/* How it works: one digit's morph taken apart, all of its pictures moved by one clock. */
(() => {
  const REACH = 4; // of the bars: latents from -4 to 4
  let place = 0; // of a number of several digits, which is taken apart
  let drawing = null; // what was on the pads when the last drawn morph arrived

  document.documentElement.addEventListener("morph", ({ detail: morph }) => {
    place = 0;
    const { source, target } = digitMorph.pads;
    const byPad = document.documentElement.dataset.tab === "draw" && source && target;
    drawing = byPad ? { permalink: morph.permalink, pictures: [source.picture(), target.picture()] } : null;
  });

  digitMorph.mountHow = (root) => {
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
        const levels = film.at(0, frame);
        const ink = getComputedStyle(gridFrom).color;
        if (ink !== shown.ink) still(made); // first sight, or the colours changed
        shown.ink = ink;
        digitMorph.drawFrame(find("canvas.large"), levels);
        digitMorph.drawPixels(pixels, digitMorph.ink(levels), digitMorph.colour(pixels));
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

    const tab = new digitMorph.LazyTab("how", find(".how"), () => digitMorph.ask("explain", { permalink: digitMorph.morph.permalink, place }), show);
    digitMorph.how = tab;

    async function show(made) {
      const film = await digitMorph.unpack(made.film);
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
      clock.start(made.frames);
    }

    /* What does not move: the numbers as they came, and as they were read. */
    function still(made) {
      for (const [i, figure] of all(".came figure").entries()) origin(figure, made, i);
      [gridFrom, gridTo].forEach((canvas, i) => {
        digitMorph.drawPixels(canvas, digitMorph.bytes(made.ends[i].ink), digitMorph.colour(canvas));
        canvas.setAttribute("aria-label", `The ${made.ends[i].digit} as 28 by 28 pixels`);
        canvas.nextElementSibling.textContent = i ? "to" : "from";
      });
    }

    /* Numbers of several digits: which of them is taken apart. */
    function choices(made) {
      const box = find(".choice");
      box.hidden = made.places < 2;
      const pairs = Array.from({ length: made.places }, (_, i) =>
        made.numbers.map((number, side) => number[made.at[side] - made.place + i]).join(" → "),
      );
      const press = digitMorph.choices(box, pairs, (chosen) => { place = chosen; tab.refresh(chosen); });
      press(made.place);
    }

    /* A number as it came: the drawing, the typed figures, or (from a link, an upload) as it was read. */
    function origin(figure, made, i) {
      const box = figure.querySelector(".origin");
      const caption = figure.querySelector("figcaption");
      const number = made.numbers[i];
      if (made.typed[i]) {
        box.replaceChildren(digitMorph.make("span", { className: "figures", textContent: number }));
        caption.textContent = `typed, in ${made.hand}`;
      } else if (drawing?.permalink === digitMorph.morph.permalink && drawing.pictures[i]) {
        box.replaceChildren(digitMorph.make("img", { src: drawing.pictures[i], alt: `Your drawing of ${number}` }));
        caption.textContent = "your drawing";
      } else {
        const canvas = digitMorph.make("canvas", { className: "large" });
        box.replaceChildren(canvas);
        digitMorph.drawFrame(canvas, digitMorph.levels(digitMorph.bytes(made.ends[i].ink)));
        caption.textContent = `a ${made.ends[i].digit}, as it was read`;
      }
    }
  };

  /* For every latent the two posteriors, source left and target right of its middle; returns what moves. */
  function drawBars(svg, made) {
    svg.setAttribute("viewBox", `0 ${-REACH} ${made.latents * 10} ${2 * REACH}`);
    const said = made.ends.map(({ digit, mu }) => `${digit}: ${mu.map((value) => value.toFixed(1)).join(", ")}`);
    svg.setAttribute("aria-label", `Means of the latents of ${said.join("; of ")}`);
    const moving = made.z[0].map(() => digitMorph.makeSvg("path", { class: "now" }));
    const ends = made.ends.flatMap(({ mu, sigma }, i) => {
      const x = (dimension) => dimension * 10 + (i ? 7.4 : 2.6);
      const name = i ? "to" : "from";
      const spread = mu.map((value, d) => `M${x(d)} ${-value - sigma[d]}V${-value + sigma[d]}`).join("");
      const means = mu.map((value, d) => `M${x(d)} ${-value}h0`).join("");
      return [digitMorph.makeSvg("path", { class: `spread ${name}`, d: spread }), digitMorph.makeSvg("path", { class: `mean ${name}`, d: means })];
    });
    const width = made.latents * 10;
    svg.replaceChildren(
      digitMorph.makeSvg("rect", { class: "prior", x: 0, y: -1, width, height: 2 }),
      digitMorph.makeSvg("path", { class: "rule", d: `M0 0H${width}M0 -3H${width}M0 3H${width}` }),
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
    const line = (list) => `M${list.map(([x, y]) => `${x} ${-y}`).join("L")}`;
    const ends = [made.path[0], made.path.at(-1)];
    const dot = digitMorph.makeSvg("path", { class: "here" });
    svg.replaceChildren(
      ...made.codes.map((codes, i) => digitMorph.makeSvg("path", { class: `cloud ${i ? "to" : "from"}`, d: dots(codes) })),
      digitMorph.makeSvg("path", { class: "straight", d: line(ends) }),
      digitMorph.makeSvg("path", { class: "walked", d: line(made.path) }),
      digitMorph.makeSvg("path", { class: "end from", d: dots(ends.slice(0, 1)) }),
      digitMorph.makeSvg("path", { class: "end to", d: dots(ends.slice(1)) }),
      dot,
    );
    return dot;
  }
})();
