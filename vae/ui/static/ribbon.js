/* What the reader sees in each frame, [digit, how sure] or null: a hill over the frames, the digits on it. */
(() => {
  /* Frames that read as the same digit, together; a run of few frames has no room for a label. */
  function runs(row) {
    const found = [];
    row.forEach((seen, i) => {
      const [digit, sure] = seen ?? [null, 0];
      const run = found.at(-1);
      if (run?.digit === digit) Object.assign(run, { end: i, sure: Math.max(run.sure, sure) });
      else found.push({ digit, start: i, end: i, sure });
    });
    return found.filter(({ digit, start, end }) => digit !== null && end - start >= row.length / 30);
  }

  /* A hill in each row of frames 0 to `last`, `rise` high at most, in an svg; the labels in the box over it. */
  digitMorph.drawRibbon = (box, rows, last, { rise = 0.88, labelled = true } = {}) => {
    const svg = box.querySelector(".ribbon");
    svg.setAttribute("viewBox", `0 0 ${last} ${rows.length || 1}`);
    svg.replaceChildren(
      ...rows.map((row, k) => {
        const hill = row.map((seen, i) => `L${i} ${(k + 1 - rise * (seen?.[1] ?? 0)).toFixed(3)}`).join("");
        return digitMorph.makeSvg("path", { d: `M0 ${k + 1}${hill}L${last} ${k + 1}Z` });
      }),
    );
    box.querySelector(".seen").replaceChildren(
      ...(labelled ? rows : []).flatMap((row, k) =>
        runs(row).map(({ digit, start, end, sure }) => {
          const label = digitMorph.make("span", { textContent: sure < 0.5 ? "?" : digit });
          label.style.left = `${(50 * (start + end)) / last}%`;
          label.style.setProperty("--row", k);
          return label;
        }),
      ),
    );
  };
})();
