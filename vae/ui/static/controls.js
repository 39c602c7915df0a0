/* What several parts of the page are made of: elements, canvases, rows of buttons, and what slides. */
(() => {
  digitMorph.SORRY = "That did not work. Please try again in a moment.";
  digitMorph.OFFLINE = "The server cannot be reached. Are you online? What is on the page stays.";
  digitMorph.still = matchMedia("(prefers-reduced-motion: reduce)");

  digitMorph.make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

  digitMorph.makeSvg = (tag, attributes = {}) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  /* A text by name in sessionStorage or localStorage: read or, with a value, written. */
  digitMorph.stored = (storage, name, value) => {
    try {
      if (value !== undefined) window[storage].setItem(`digit-morph-${name}`, value);
      return window[storage].getItem(`digit-morph-${name}`);
    } catch {
      return null; // a frame without storage
    }
  };

  /* Buttons of which one is pressed, one for each text; returns what marks one as pressed. */
  digitMorph.choices = (box, texts, choose) => {
    const buttons = texts.map((textContent, i) => {
      const button = digitMorph.make("button", { type: "button", textContent });
      button.addEventListener("click", () => choose(i));
      return button;
    });
    const press = (chosen) => {
      for (const [i, button] of buttons.entries()) button.setAttribute("aria-pressed", String(i === chosen));
    };
    press(null);
    box.replaceChildren(...buttons);
    return press;
  };

  /* --- canvases --- */

  /* The colour that CSS gives an element, as [r, g, b]. */
  digitMorph.colour = (element) => getComputedStyle(element).color.match(/[\d.]+/g).slice(0, 3).map(Number);

  /* A canvas brought to its size on the screen and cleared, or to `most` pixels; null while it is not to be seen. */
  digitMorph.fitCanvas = (canvas, most = Infinity) => {
    const scale = Math.min(window.devicePixelRatio || 1, Math.sqrt(most / (canvas.clientWidth * canvas.clientHeight)));
    const [w, h] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (!w || !h) return null;
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, w, h);
    return { pen, w, h, scale };
  };

  /* A canvas of one colour. */
  digitMorph.paper = (width, height, colour = "#fff") => {
    const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side)));
    const canvas = digitMorph.make("canvas", { width: w, height: h });
    const pen = canvas.getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, w, h);
    return { canvas, pen };
  };

  digitMorph.circle = (pen, [x, y], radius, style) => {
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    Object.assign(pen, style);
    pen.fill();
    if (style.strokeStyle) pen.stroke();
  };

  /* A smooth line on a context's path: quadratic curves through the middles between points. */
  digitMorph.smoothLine = (pen, points) => {
    pen.beginPath();
    pen.moveTo(...points[0]);
    for (let i = 1; i < points.length - 1; i++) {
      const middle = [0, 1].map((k) => (points[i][k] + points[i + 1][k]) / 2);
      pen.quadraticCurveTo(...points[i], ...middle);
    }
    pen.lineTo(...points.at(-1));
    pen.stroke();
  };

  /* Paint again whenever an element gets another size or the page other colours. */
  digitMorph.onRepaint = (element, paint) => {
    new ResizeObserver(() => paint()).observe(element);
    new MutationObserver(() => paint()).observe(document.body, { attributeFilter: ["class"] });
  };

  /* --- sliders --- */

  /* Where a pointer is over an element: the shares of its width and height, 0 to 1. */
  digitMorph.shares = (element, event) => {
    const box = element.getBoundingClientRect();
    const shares = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    return shares.map((share) => Math.min(1, Math.max(0, share)));
  };

  /* Dragging along an element: `drag` gets the share of its width; `grab` may refuse by false. */
  digitMorph.onDrag = (element, { grab, drag, release }) => {
    let held = false;
    const follow = (event) => held && drag(digitMorph.shares(element, event)[0]);
    element.addEventListener("pointerdown", (event) => {
      if (event.button || grab() === false) return;
      element.setPointerCapture(event.pointerId);
      held = true;
      follow(event);
    });
    element.addEventListener("pointermove", follow);
    for (const name of ["pointerup", "pointercancel"])
      element.addEventListener(name, () => {
        if (held) release?.();
        held = false;
      });
  };

  /* The keys of a slider: arrows by a step, Page Up and Down by `page` of them, Home and End. `range()` gives its
     first and last value, or nothing while it cannot be moved; `move` gets a value between them. */
  digitMorph.onSliderKeys = (element, { range, value, move, step = 1, page = 10 }) =>
    element.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -page, PageUp: page }[event.key];
      const [first, last] = range() ?? [];
      const to = { Home: first, End: last }[event.key] ?? (steps && value() + step * steps);
      if (first === undefined || to === undefined) return;
      event.preventDefault();
      move(Math.min(last, Math.max(first, to)));
    });
})();
