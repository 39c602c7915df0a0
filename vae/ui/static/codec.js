/* Pictures packed by vae/ui/codec.py, and their drawing: levels of logits, enlarged by the cubic B-spline
   and only then turned into opacity, so that a few kilobytes are crisp at any size, as in vae/render.py. */
(() => {
  const LOGITS = 4; // the levels 0 to LEVELS are logits from -LOGITS to LOGITS
  const LEVELS = 63;
  const FINE = 64; // steps of opacity to a level
  const EDGE = Math.log(1 / 3); // where vae.render has the contour
  const GAIN = 1.1; // its ramp per logit
  const FILM_GAIN = 3.4; // of a film's logits: contours are crisp, and what is grey stays grey
  const FILM_ROWS = 28;
  const FILM_HEIGHT = 336; // px of a film at most: several play at once
  const LEAST = 56; // px: smaller pictures are drawn at this size and scaled down
  const splines = new Map();
  const opacities = new Map();
  const scratch = document.createElement("canvas");

  digitMorph.bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  /* JSON of vae.ui.codec.pack -> {rows, columns, at(row, column), row(index)}, each picture a Uint8Array of levels. */
  digitMorph.unpack = async ({ rows, columns, height, width, grid, data }) => {
    const stream = new Blob([digitMorph.bytes(data)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const steps = new Uint8Array(await new Response(stream).arrayBuffer());
    const pixels = height * width;
    const levels = new Uint8Array(steps.length);
    for (let p = 0, i = 0; p < pixels; p++)
      for (let row = 0; row < rows; row++)
        for (let column = 0, left = 0; column < columns; column++, i++) {
          left = (left + steps[i]) & 255;
          const here = (row * columns + column) * pixels + p;
          levels[here] = left + (grid && row ? levels[here - columns * pixels] : 0);
        }
    const at = (row, column) => levels.subarray((row * columns + column) * pixels, (row * columns + column + 1) * pixels);
    const row = (index) => Array.from({ length: columns }, (_, column) => at(index, column));
    return { rows, columns, at, row };
  };

  /* The levels between pictures: `row` and `column` may be fractions. */
  digitMorph.interpolate = (pictures, row, column) => {
    const r = Math.min(pictures.rows - 1, Math.max(0, row));
    const c = Math.min(pictures.columns - 1, Math.max(0, column));
    const [r0, c0] = [Math.floor(r), Math.floor(c)];
    const [r1, c1] = [Math.ceil(r), Math.ceil(c)];
    const [down, right] = [r - r0, c - c0];
    const parts = [pictures.at(r0, c0), pictures.at(r0, c1), pictures.at(r1, c0), pictures.at(r1, c1)];
    const weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right];
    const mix = new Float32Array(parts[0].length);
    for (let k = 0; k < 4; k++)
      if (weights[k]) for (let i = 0; i < mix.length; i++) mix[i] += weights[k] * parts[k][i];
    return mix;
  };

  /* Bytes of ink, 0 to 255 -> levels, and back. */
  digitMorph.levels = (ink) =>
    Float32Array.from(ink, (value) => {
      const p = Math.min(0.98, Math.max(0.02, value / 255)); // as in vae.render
      return (LEVELS / 2) * (1 + Math.log(p / (1 - p)) / LOGITS);
    });
  digitMorph.ink = (levels) => Uint8Array.from(levels, (level) => 255 / (1 + Math.exp(-logit(level))));
  const logit = (level) => LOGITS * ((2 * level) / LEVELS - 1);

  /* Cubic B-spline that resamples n pixels to m: four taps each, indices and weights; edge pixels repeat. */
  function spline(n, m) {
    const key = `${n}:${m}`;
    if (splines.has(key)) return splines.get(key);
    const taps = { index: new Int32Array(4 * m), weight: new Float32Array(4 * m) };
    for (let i = 0; i < m; i++) {
      const centre = ((i + 0.5) * n) / m - 0.5;
      for (let tap = 0; tap < 4; tap++) {
        const pixel = Math.floor(centre) + tap - 1;
        const t = Math.abs(centre - pixel);
        taps.index[4 * i + tap] = Math.min(n - 1, Math.max(0, pixel));
        taps.weight[4 * i + tap] = t < 1 ? 2 / 3 - t * t * (1 - t / 2) : Math.max(0, 2 - t) ** 3 / 6;
      }
    }
    splines.set(key, taps);
    return taps;
  }

  /* The opacity, 0 to 255, of every level and FINE steps between; of(logit) must rise from 0 to 1. */
  function opacity(key, of) {
    if (!opacities.has(key))
      opacities.set(key, Uint8ClampedArray.from({ length: LEVELS * FINE + 1 }, (_, i) => 255 * of(logit((i + 0.5) / FINE))));
    return opacities.get(key);
  }

  /* Levels, `columns` wide -> ImageData of w x h in one colour, [r, g, b]. */
  function enlarge(levels, columns, w, h, opaque, [red, green, blue]) {
    const rows = levels.length / columns;
    const image = new ImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer);
    const colour = (blue << 16) | (green << 8) | red;
    const { index, weight } = spline(columns, w);
    const down = spline(rows, h);
    const row = new Float32Array(columns);
    for (let y = 0; y < h; y++) {
      row.fill(0);
      for (let tap = 4 * y; tap < 4 * y + 4; tap++) {
        const from = down.index[tap] * columns, share = down.weight[tap] * FINE;
        for (let x = 0; x < columns; x++) row[x] += share * levels[from + x];
      }
      if (!row.some((level) => opaque[level | 0])) continue; // a blank row, of which there are many
      for (let x = 0, k = 0, at = y * w; x < w; x++, k += 4, at++) {
        const level =
          weight[k] * row[index[k]] + weight[k + 1] * row[index[k + 1]] +
          weight[k + 2] * row[index[k + 2]] + weight[k + 3] * row[index[k + 3]];
        pixels[at] = (opaque[level | 0] << 24) | colour;
      }
    }
    return image;
  }

  /* Draw a square picture at (x, y), `side` px large. `sharper` narrows the ramp, for a model whose ink is soft;
     a higher `edge`, a logit, thins the strokes. */
  digitMorph.drawDigit = (pen, levels, x, y, side, colour, { sharper = 1, edge = EDGE } = {}) => {
    const n = Math.sqrt(levels.length);
    const m = Math.max(LEAST, Math.round(side));
    const gain = (sharper * GAIN * 28) / n;
    const opaque = opacity(`${gain}:${edge}`, (value) => gain * (value - edge) + 0.5);
    if (scratch.width !== m) scratch.width = scratch.height = m;
    scratch.getContext("2d").putImageData(enlarge(levels, n, m, m, opaque, colour), 0, 0);
    pen.drawImage(scratch, x, y, side, side);
  };

  /* Draw square pictures on a canvas as large as it is shown, in the colour that it has, `columns` to a row. */
  digitMorph.drawDigits = (canvas, columns, pictures, look) => {
    const fitted = digitMorph.fitCanvas(canvas);
    if (!fitted) return;
    const side = fitted.w / columns;
    const top = pictures.length > columns ? 0 : (fitted.h - side) / 2; // a single row in the middle
    const colour = digitMorph.colour(canvas);
    for (const [i, levels] of pictures.entries())
      digitMorph.drawDigit(fitted.pen, levels, (i % columns) * side, top + Math.floor(i / columns) * side, side, colour, look);
  };

  /* Draw a frame of a film on a canvas of its own, as large as it is shown, in the colour that it has. */
  digitMorph.drawFrame = (canvas, levels) => {
    const columns = levels.length / FILM_ROWS;
    const { clientWidth, clientHeight } = canvas;
    if (!clientWidth || !clientHeight) return;
    const shown = Math.min(clientHeight, (clientWidth * FILM_ROWS) / columns) * Math.min(2, devicePixelRatio);
    const height = Math.max(FILM_ROWS, Math.min(FILM_HEIGHT, Math.round(shown)));
    const width = Math.round((height * columns) / FILM_ROWS);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const opaque = opacity("film", (value) => 1 / (1 + Math.exp(-FILM_GAIN * value)));
    canvas.getContext("2d").putImageData(enlarge(levels, columns, width, height, opaque, digitMorph.colour(canvas)), 0, 0);
  };

  /* 784 bytes of ink as they are, on a canvas of 28 x 28. */
  digitMorph.drawPixels = (canvas, ink, colour = [0, 0, 0]) => {
    const image = new ImageData(28, 28);
    for (const [i, value] of ink.entries()) image.data.set([...colour, value], 4 * i);
    canvas.getContext("2d").putImageData(image, 0, 0);
  };

  /* A digit as it was read: 784 bytes of ink in base64 -> a small canvas. */
  digitMorph.picture = (ink) => {
    const canvas = digitMorph.make("canvas", { width: 28, height: 28, className: "mini" });
    digitMorph.drawPixels(canvas, digitMorph.bytes(ink));
    return canvas;
  };

  /* Digits as they were read, side by side on a canvas as high as a digit, `side` px. */
  digitMorph.sideBySide = (inks, side, colour) => {
    const canvas = digitMorph.make("canvas", { width: inks.length * side, height: side });
    const pen = canvas.getContext("2d");
    for (const [i, ink] of inks.entries())
      digitMorph.drawDigit(pen, digitMorph.levels(digitMorph.bytes(ink)), i * side, 0, side, colour);
    return canvas;
  };
})();
