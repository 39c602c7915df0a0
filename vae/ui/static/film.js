/* When which frame of a film is shown. */
(() => {
  /* As Python's round: a half goes to the even number. */
  const rounded = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

  /* The frames 0 to `count` - 1 as a file shows them (vae.morphing.hold_frames, vae.video): those at `stops` stay for
     `hold` seconds more, and "bounce" comes back the same way. `turn` is where the way back begins. */
  digitMorph.playOrder = (count, stops, { fps, hold, playback }) => {
    const rest = rounded(hold * fps);
    const resting = new Set(stops);
    const there = Array.from({ length: count }, (_, frame) => Array(resting.has(frame) ? 1 + rest : 1).fill(frame)).flat();
    return { frames: playback === "bounce" ? [...there, ...there.slice(1, -1).reverse()] : there, turn: there.length };
  };

  /* Where a frame that begins at `start` is followed by another. */
  function endOf(frames, start) {
    let end = start + 1;
    while (frames[end] === frames[start]) end++;
    return end;
  }

  /* The index, which may be fractional, at which another order shows what `order` does at `index`: the same frame, on
     the same way, as much of its rest passed. */
  digitMorph.carriedOver = (order, index, other) => {
    let start = Math.floor(index);
    const frame = order.frames[start];
    while (order.frames[start - 1] === frame) start--;
    const passed = (index - start) / (endOf(order.frames, start) - start);
    const back = start < order.turn ? -1 : other.frames.indexOf(frame, other.turn);
    const begin = back < 0 ? other.frames.indexOf(frame) : back;
    return begin + passed * (endOf(other.frames, begin) - begin);
  };
})();
