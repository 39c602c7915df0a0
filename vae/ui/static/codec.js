/* Pictures packed by vae/ui/codec.py, and their drawing: levels of logits, enlarged by the cubic B-spline
   and only then turned into opacity, so that a few kilobytes are crisp at any size, as in vae/render.py. */
(() => {
  const LOGITS = 4; // the levels 0 to LEVELS are logits from -LOGITS to LOGITS
  const LEVELS = 63;
  const FINE = 64; // steps of a shade to a level
  const EDGE = Math.log(1 / 3); // where vae.render has the contour
  const GAIN = 1.1; // its ramp per logit
  const ROWS = 28; // of a frame
  const FILM_PIXELS = 140_000; // of a canvas at most: several films play at once
  const LEAST = 56; // px: smaller pictures are drawn at this size and scaled down
  const splines = new Map();
  const shadings = new Map();
  const scratch = document.createElement("canvas");
  let image = null; // what was enlarged last; the next of that size is put in its place

  const logit = (level) => LOGITS * ((2 * level) / LEVELS - 1);
  const sigmoid = (value) => 1 / (1 + Math.exp(-value));
  const ramp = (gain, edge) => (value) => gain * (value - edge) + 0.5;

  /* How a frame may look: how opaque a logit is, 0 to 1; "ink", "pixels" and "chalk" as in vae.render. */
  const STYLES = {
    ink: { opaque: ramp(GAIN, EDGE) },
    chalk: { opaque: ramp(GAIN, EDGE), ink: [240, 240, 240], paper: [38, 38, 38] },
    pixels: { opaque: (value) => (sigmoid(value) - sigmoid(-LOGITS)) / (1 - 2 * sigmoid(-LOGITS)), blocks: true },
    film: { opaque: (value) => sigmoid(3.4 * value) }, // contours are crisp, and what is grey stays grey
  };

  digitMorph.bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

  /* JSON of vae.ui.codec.pack -> {rows, columns, width, at(row, column), row(index)}, each picture a Uint8Array of levels. */
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
    return { rows, columns, width, at, row };
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
  digitMorph.ink = (levels) => Uint8Array.from(levels, (level) => 255 * sigmoid(logit(level)));

  /* Resamples n pixels to m: four taps each, indices and weights, of the cubic B-spline (edge pixels repeat), or of
     `blocks` the nearest pixel alone; and where the spans begin whose pixels have the same taps, with m at the end. */
  function spline(n, m, blocks) {
    const key = `${n}:${m}:${blocks}`;
    if (splines.has(key)) return splines.get(key);
    const taps = { index: new Int32Array(4 * m), weight: new Float32Array(4 * m), spans: [] };
    for (let i = 0; i < m; i++) {
      const centre = ((i + 0.5) * n) / m - 0.5;
      for (let tap = 0; tap < 4; tap++) {
        const pixel = Math.floor(centre) + tap - 1;
        const t = Math.abs(centre - pixel);
        taps.index[4 * i + tap] = blocks ? Math.floor((i * n) / m) : Math.min(n - 1, Math.max(0, pixel));
        taps.weight[4 * i + tap] = blocks ? 0.25 : t < 1 ? 2 / 3 - t * t * (1 - t / 2) : Math.max(0, 2 - t) ** 3 / 6;
      }
    }
    const { index, spans } = taps;
    for (let i = 0; i < m; i++)
      if (!i || index[4 * i] !== index[4 * i - 4] || index[4 * i + 3] !== index[4 * i - 1]) spans.push(i);
    spans.push(m);
    splines.set(key, taps);
    return taps;
  }

  /* The pixel of every level and FINE steps between: of one colour, as opaque as `opaque(logit)` says, or mixed with
     that of a paper. */
  function shadesOf(name, opaque, ink, paper) {
    const key = `${name}:${ink}`;
    if (!shadings.has(key))
      shadings.set(
        key,
        Uint32Array.from({ length: LEVELS * FINE + 1 }, (_, i) => {
          const share = Math.min(1, Math.max(0, opaque(logit((i + 0.5) / FINE))));
          const [red, green, blue] = paper ? ink.map((value, k) => Math.round(paper[k] + share * (value - paper[k]))) : ink;
          return (Math.round(paper ? 255 : 255 * share) << 24) | (blue << 16) | (green << 8) | red;
        }),
      );
    return shadings.get(key);
  }

  /* Levels, `columns` wide -> ImageData of w x h. It is the same object for the next of that size. */
  function enlarge(levels, columns, w, h, shades, blocks = false) {
    if (image?.width !== w || image.height !== h) image = new ImageData(w, h);
    const pixels = new Uint32Array(image.data.buffer).fill(shades[0]);
    const { index, weight, spans } = spline(columns, w, blocks);
    const down = spline(levels.length / columns, h, blocks);
    const row = new Float32Array(columns);
    const tones = new Uint32Array(columns);
    for (let y = 0, line = 0; y < h; y++, line += w) {
      row.fill(0);
      for (let tap = 4 * y; tap < 4 * y + 4; tap++) {
        const from = down.index[tap] * columns, share = down.weight[tap] * FINE;
        for (let x = 0; x < columns; x++) row[x] += share * levels[from + x];
      }
      for (let x = 0; x < columns; x++) tones[x] = shades[row[x] | 0];
      for (let span = 1; span < spans.length; span++) {
        const start = spans[span - 1], end = spans[span];
        const a = index[4 * start], b = index[4 * start + 1], c = index[4 * start + 2], d = index[4 * start + 3];
        const tone = tones[a];
        if (tone === tones[b] && tone === tones[c] && tone === tones[d]) { // away from edges, which is most of a picture
          if (tone !== shades[0]) pixels.fill(tone, line + start, line + end);
          continue;
        }
        const ra = row[a], rb = row[b], rc = row[c], rd = row[d];
        for (let x = start, k = 4 * start; x < end; x++, k += 4)
          pixels[line + x] = shades[(weight[k] * ra + weight[k + 1] * rb + weight[k + 2] * rc + weight[k + 3] * rd) | 0];
      }
    }
    return image;
  }

  /* Draw a picture at (x, y), `side` px high, also where it is not to be a whole number of pixels. */
  function draw(pen, levels, columns, x, y, side, shades, blocks) {
    const share = (columns * columns) / levels.length; // of the width to the height
    const height = Math.max(LEAST, Math.round(side));
    const width = Math.round(height * share);
    if (scratch.width !== width || scratch.height !== height) Object.assign(scratch, { width, height });
    scratch.getContext("2d").putImageData(enlarge(levels, columns, width, height, shades, blocks), 0, 0);
    pen.drawImage(scratch, x, y, side * share, side);
  }

  /* Draw a square picture at (x, y), `side` px large. `sharper` narrows the ramp, for a model whose ink is soft;
     a higher `edge`, a logit, thins the strokes. */
  digitMorph.drawDigit = (pen, levels, x, y, side, colour, { sharper = 1, edge = EDGE } = {}) => {
    const n = Math.sqrt(levels.length);
    const gain = (sharper * GAIN * ROWS) / n;
    draw(pen, levels, n, x, y, side, shadesOf(`${gain}:${edge}`, ramp(gain, edge), colour));
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

  /* A style's shades on a canvas, in the colour that it has unless the style has its own. */
  function shadesOn(canvas, style) {
    const { opaque, ink, paper } = STYLES[style];
    return shadesOf(style, opaque, ink ?? digitMorph.colour(canvas), paper);
  }

  /* Draw a frame of a film in the middle of a canvas of its own, which gets `most` pixels at most. */
  digitMorph.drawFrame = (canvas, levels, style = "film", most = FILM_PIXELS) => {
    const fitted = digitMorph.fitCanvas(canvas, most);
    if (!fitted) return;
    const { pen, w, h } = fitted;
    const columns = levels.length / ROWS;
    const height = Math.floor(Math.min(h, (w * ROWS) / columns));
    const width = Math.floor((height * columns) / ROWS);
    const frame = enlarge(levels, columns, width, height, shadesOn(canvas, style), STYLES[style].blocks);
    pen.putImageData(frame, (w - width) >> 1, (h - height) >> 1); // whole pixels, for the edges' sake
  };

  /* Draw frames of a film side by side, each in the middle of its part of the canvas. */
  digitMorph.drawStrip = (canvas, frames, style) => {
    const fitted = digitMorph.fitCanvas(canvas);
    if (!fitted) return;
    const columns = frames[0].length / ROWS;
    const part = fitted.w / frames.length;
    const side = Math.min(fitted.h, (part * ROWS) / columns);
    const left = (part - (side * columns) / ROWS) / 2;
    const shades = shadesOn(canvas, style);
    for (const [i, levels] of frames.entries())
      draw(fitted.pen, levels, columns, i * part + left, (fitted.h - side) / 2, side, shades, STYLES[style].blocks);
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
