/* Pictures drawn crisply at any size, as vae/render.py does: levels of logits enlarged by the cubic B-spline
   and cut to a narrow ramp. `unpack` reads what vae/ui/levels.py packed. */
(() => {
  const LOGITS = 4;
  const LEVELS = 63;
  const EDGE = Math.log(1 / 3);
  const GAIN = 1.1;
  const LEAST = 56; // px: smaller ones are drawn at this size and scaled down
  const kernels = new Map();
  const scratch = document.createElement("canvas");

  /* {rows, columns, size, data} -> {rows, columns, size, at(row, column)}, each picture a Uint8Array of levels. */
  digitMorph.unpack = async ({ rows, columns, size, data }) => {
    const stream = new Blob([digitMorph.bytes(data)]).stream().pipeThrough(new DecompressionStream("deflate"));
    const steps = new Uint8Array(await new Response(stream).arrayBuffer());
    const pixels = size * size;
    const levels = new Uint8Array(rows * columns * pixels);
    for (let p = 0, i = 0; p < pixels; p++)
      for (let r = 0; r < rows; r++)
        for (let c = 0; c < columns; c++, i++) {
          // the differences were taken along the columns, then along the rows, so both sums are undone here
          const here = (r * columns + c) * pixels + p;
          const left = c ? levels[here - pixels] : 0;
          const above = r ? levels[here - columns * pixels] : 0;
          const corner = c && r ? levels[here - (columns + 1) * pixels] : 0;
          levels[here] = steps[i] + left + above - corner;
        }
    const at = (row, column) => levels.subarray((row * columns + column) * pixels, (row * columns + column + 1) * pixels);
    return { rows, columns, size, at };
  };

  /* The picture between cells: `row` and `column` may be fractions. */
  digitMorph.mixed = (sheet, row, column) => {
    const r = Math.min(sheet.rows - 1, Math.max(0, row));
    const c = Math.min(sheet.columns - 1, Math.max(0, column));
    const [r0, c0] = [Math.floor(r), Math.floor(c)];
    const [r1, c1] = [Math.min(sheet.rows - 1, r0 + 1), Math.min(sheet.columns - 1, c0 + 1)];
    const [down, right] = [r - r0, c - c0];
    const parts = [sheet.at(r0, c0), sheet.at(r0, c1), sheet.at(r1, c0), sheet.at(r1, c1)];
    const weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right];
    const mix = new Float32Array(parts[0].length);
    for (let k = 0; k < 4; k++)
      if (weights[k]) for (let i = 0; i < mix.length; i++) mix[i] += weights[k] * parts[k][i];
    return mix;
  };

  /* Four taps of n pixels for each of m: indices and weights; edge pixels repeat. */
  function kernel(n, m) {
    const name = n + ":" + m;
    if (kernels.has(name)) return kernels.get(name);
    const index = new Int16Array(4 * m);
    const weight = new Float32Array(4 * m);
    for (let i = 0; i < m; i++) {
      const centre = ((i + 0.5) * n) / m - 0.5;
      for (let tap = 0; tap < 4; tap++) {
        const pixel = Math.floor(centre) + tap - 1;
        const t = Math.abs(centre - pixel);
        index[4 * i + tap] = Math.min(n - 1, Math.max(0, pixel));
        weight[4 * i + tap] = t < 1 ? 2 / 3 - t * t * (1 - t / 2) : Math.max(0, 2 - t) ** 3 / 6;
      }
    }
    kernels.set(name, { index, weight });
    return kernels.get(name);
  }

  /* Draw levels `(S * S)` on a context, `side` px square at (x, y), in `colour` [r, g, b]. `sharper` narrows the
     ramp, for a model whose ink is soft; a higher `edge` (a logit) thins the strokes. */
  digitMorph.crisp = (pen, levels, x, y, side, colour, sharper = 1, edge = EDGE) => {
    const n = Math.round(Math.sqrt(levels.length));
    const m = Math.max(LEAST, Math.round(side));
    const { index, weight } = kernel(n, m);
    const gain = (sharper * GAIN * 28) / n;
    const tall = new Float32Array(m * n);
    for (let i = 0; i < m; i++)
      for (let tap = 4 * i; tap < 4 * i + 4; tap++)
        for (let k = 0, row = n * index[tap]; k < n; k++) tall[i * n + k] += weight[tap] * levels[row + k];
    const image = new ImageData(m, m);
    const [scale, shift] = [(255 * gain * 2 * LOGITS) / LEVELS, 255 * (0.5 - gain * (LOGITS + edge))];
    for (let i = 0, out = 0; i < m; i++)
      for (let j = 0, row = i * n; j < m; j++, out += 4) {
        const t = 4 * j;
        const level =
          weight[t] * tall[row + index[t]] + weight[t + 1] * tall[row + index[t + 1]] +
          weight[t + 2] * tall[row + index[t + 2]] + weight[t + 3] * tall[row + index[t + 3]];
        image.data[out] = colour[0];
        image.data[out + 1] = colour[1];
        image.data[out + 2] = colour[2];
        image.data[out + 3] = level * scale + shift; // clamped to 0 to 255 by the array
      }
    if (scratch.width !== m) scratch.width = scratch.height = m;
    scratch.getContext("2d").putImageData(image, 0, 0);
    pen.drawImage(scratch, x, y, side, side);
  };

  /* The colour that CSS gives an element, as [r, g, b]. */
  digitMorph.colour = (element, property = "color") =>
    getComputedStyle(element).getPropertyValue(property).match(/[\d.]+/g).slice(0, 3).map(Number);

  /* A canvas brought to its size on the screen and cleared; null while it is not to be seen. */
  digitMorph.fitted = (canvas) => {
    const scale = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (!w || !h) return null;
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, w, h);
    return { pen, w, h, scale };
  };
})();
