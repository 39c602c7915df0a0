/* The plane under the map: what lies at each of its places, and the picture of it. A place is [column, row] of
   the atlas, fractions allowed, the first row at the top; a latent is [x, y]. What lies under a place is mixed
   from the cells around it, here, so moving asks the server for nothing. */
(() => {
  const THIN = -0.4; // a logit: so small, digits are read better with thinner strokes
  const SHARP = 2; // two latents say little about a digit, so its ink is soft
  const EVERY = 40; // px from digit to digit on the map
  const ROOM = 300; // square px of the map for each point, so that a phone shows fewer
  const RADIUS = 1.6; // px of a point

  digitMorph.LatentMap = class {
    constructor(map, cells) {
      this.map = map;
      this.cells = cells;
      this.last = cells.columns - 1;
      this.spots = map.points.map((point) => this.place(point));
      this.middles = [...Array(10).keys()].map((digit) => {
        const own = this.spots.filter((_, i) => map.labels[i] === digit);
        return own.length ? [0, 1].map((k) => own.map((spot) => spot[k]).sort((a, b) => a - b)[own.length >> 1]) : null;
      });
    }

    place([x, y]) {
      return [fraction(this.map.across, x), fraction(this.map.up, y)];
    }

    latent([column, row]) {
      return [between(this.map.across, column), between(this.map.up, row)];
    }

    /* What a place reads as, and how sure the reader is. */
    reads([column, row]) {
      const [r, c] = [row, column].map((value) => Math.min(this.map.digits.length - 1, Math.round(value / 2)));
      return { digit: this.map.digits[r][c], sure: this.map.sure[r][c] };
    }

    inside([column, row]) {
      return column >= 0 && row >= 0 && column <= this.last && row <= this.last;
    }

    levels([column, row]) {
      return digitMorph.interpolate(this.cells, row, column);
    }

    /* The digits of places on a canvas, `columns` to a row. */
    drawDigits(canvas, columns, places) {
      digitMorph.drawDigits(canvas, columns, places.map((place) => this.levels(place)), { sharper: SHARP });
    }

    /* The digit of a place, `side` px square. */
    digit(pen, place, x, y, side, colour, edge) {
      digitMorph.drawDigit(pen, this.levels(place), x, y, side, colour, { sharper: SHARP, edge });
    }

    /* The map itself: what reads as which digit as a wash of colour, over it the points, on top the digits.
       Where there are no digits, each class has its name. `colours` has one for each digit; with `only`, the
       points and the name of that one alone. */
    paint(canvas, colours, { digits, points }, only) {
      const fitted = digitMorph.fitCanvas(canvas);
      if (!fitted) return;
      const { pen, w, scale } = fitted;
      wash(pen, w, this.map, colours);
      if (points) this.scatter(pen, w, scale, colours, only);
      if (digits) this.digits(pen, w, Math.round(w / scale / EVERY), digitMorph.colour(canvas));
      else if (points) this.names(pen, w, scale, colours, only, getComputedStyle(canvas));
    }

    digits(pen, w, across, ink) {
      const side = w / across;
      pen.globalAlpha = 0.8;
      for (let i = 0; i < across * across; i++) {
        const [row, column] = [Math.floor(i / across), i % across];
        const place = [column, row].map((value) => (this.last * (value + 0.5)) / across);
        this.digit(pen, place, column * side, row * side, side, ink, THIN);
      }
      pen.globalAlpha = 1;
    }

    /* As many points as there is room for; of one digit alone, all. */
    scatter(pen, w, scale, colours, only) {
      const all = this.spots.length;
      const count = only === null ? Math.min(all, Math.round((w / scale) ** 2 / ROOM)) : all;
      pen.globalAlpha = only === null ? 0.6 : 0.85;
      for (let k = 0; k < count; k++) {
        const i = (k * 7919) % all; // a prime: any part of them is of all digits, and none lies on top
        const digit = this.map.labels[i];
        if (!this.inside(this.spots[i]) || (only ?? digit) !== digit) continue;
        const spot = this.spots[i].map((value) => (value / this.last) * w);
        digitMorph.circle(pen, spot, RADIUS * scale, { fillStyle: `rgb(${colours[digit]})` });
      }
      pen.globalAlpha = 1;
    }

    names(pen, w, scale, colours, only, style) {
      this.middles.forEach((middle, digit) => {
        if (!middle || (only ?? digit) !== digit) return;
        const [x, y] = middle.map((value) => (value / this.last) * w);
        pen.font = `700 ${26 * scale}px ${style.fontFamily}`;
        Object.assign(pen, { textAlign: "center", textBaseline: "middle", lineJoin: "round", lineWidth: 5 * scale });
        Object.assign(pen, { strokeStyle: style.backgroundColor, fillStyle: `rgb(${colours[digit]})` });
        pen.strokeText(digit, x, y);
        pen.fillText(digit, x, y);
      });
    }
  };

  /* What every place reads as, in the colour of that digit, the surer the stronger. */
  function wash(pen, side, map, colours) {
    const cells = map.digits.length;
    const image = new ImageData(cells, cells);
    map.digits.flat().forEach((digit, i) => {
      image.data.set(colours[digit], 4 * i);
      image.data[4 * i + 3] = 60 * map.sure.flat()[i];
    });
    const canvas = digitMorph.make("canvas", { width: cells, height: cells });
    canvas.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(canvas, 0, 0, side, side);
  }

  /* Where a value lies among the steps of an axis, rising or falling, as an index with its fraction. */
  function fraction(axis, value) {
    const rises = axis[1] > axis[0];
    let i = 0;
    while (i < axis.length - 2 && (rises ? axis[i + 1] < value : axis[i + 1] > value)) i++;
    return i + (value - axis[i]) / (axis[i + 1] - axis[i]);
  }

  function between(axis, index) {
    const i = Math.min(axis.length - 2, Math.floor(index));
    return axis[i] + (index - i) * (axis[i + 1] - axis[i]);
  }
})();
