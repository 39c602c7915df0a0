/* Ten digits as a pen writes them: strokes of points (x, y) in a box 1 high, y downward. For examples. */
(() => {
  const GLYPHS = {
    0: [[0.36, 0.02, 0.12, 0.18, 0.05, 0.52, 0.16, 0.86, 0.36, 0.98, 0.56, 0.86, 0.64, 0.5, 0.56, 0.16, 0.36, 0.02, 0.26, 0.06]],
    1: [[0.1, 0.28, 0.24, 0.16, 0.36, 0.02, 0.35, 0.3, 0.33, 0.65, 0.31, 0.98]],
    2: [[0.06, 0.22, 0.18, 0.06, 0.38, 0.02, 0.56, 0.14, 0.54, 0.36, 0.36, 0.62, 0.14, 0.86, 0.06, 0.96, 0.3, 0.93, 0.64, 0.95]],
    3: [[0.08, 0.12, 0.26, 0.02, 0.48, 0.06, 0.54, 0.24, 0.42, 0.4, 0.26, 0.46, 0.46, 0.5, 0.6, 0.66, 0.54, 0.88, 0.32, 0.98, 0.06, 0.9]],
    4: [[0.28, 0.02, 0.18, 0.3, 0.06, 0.58, 0.3, 0.6, 0.66, 0.56], [0.5, 0.26, 0.47, 0.6, 0.44, 0.98]],
    5: [[0.14, 0.05, 0.12, 0.24, 0.1, 0.44, 0.3, 0.38, 0.52, 0.46, 0.6, 0.66, 0.5, 0.9, 0.28, 0.98, 0.06, 0.9], [0.14, 0.05, 0.34, 0.05, 0.58, 0.02]],
    6: [[0.5, 0.02, 0.28, 0.16, 0.12, 0.42, 0.07, 0.7, 0.18, 0.94, 0.38, 0.98, 0.55, 0.84, 0.54, 0.64, 0.38, 0.54, 0.2, 0.62, 0.09, 0.76]],
    7: [[0.06, 0.07, 0.3, 0.06, 0.6, 0.04, 0.5, 0.26, 0.38, 0.56, 0.28, 0.98]],
    8: [[0.54, 0.14, 0.36, 0.02, 0.16, 0.1, 0.14, 0.28, 0.32, 0.44, 0.54, 0.62, 0.56, 0.86, 0.34, 0.98, 0.14, 0.88, 0.14, 0.68, 0.34, 0.48, 0.54, 0.28, 0.53, 0.12]],
    9: [[0.54, 0.16, 0.36, 0.03, 0.14, 0.12, 0.1, 0.34, 0.26, 0.48, 0.46, 0.4, 0.56, 0.16, 0.54, 0.4, 0.5, 0.7, 0.44, 0.98]],
  };
  const WIDTH = 0.66; // of a digit, at height 1
  const GAP = 0.22;

  /* A number -> strokes on a sheet 1 high and `aspect` wide, a little different each time. */
  digitMorph.write = (number, aspect) => {
    const span = number.length * WIDTH + (number.length - 1) * GAP;
    const height = Math.min(0.68, (0.84 * aspect) / span);
    const slant = 0.22 * (Math.random() - 0.3);
    const left = (aspect - span * height) / 2;
    const wobble = () => 0.02 * (Math.random() - 0.5);
    return [...number].flatMap((digit, place) =>
      GLYPHS[digit].map((flat) => {
        const points = [];
        for (let i = 0; i < flat.length; i += 2) {
          const [x, y] = [flat[i] + wobble() + slant * (0.5 - flat[i + 1]), flat[i + 1] + wobble()];
          points.push([left + (x + place * (WIDTH + GAP)) * height, (1 - height) / 2 + y * height]);
        }
        return points;
      }),
    );
  };

  digitMorph.anyNumber = (length = 1 + Math.floor(2 * Math.random())) =>
    String(Math.floor((length > 1 ? 10 : 0) + Math.random() * (length > 1 ? 90 : 10)));
})();
