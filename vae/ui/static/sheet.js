/* What a pad and a place for pictures have in common: the number of their side can be typed instead; and
   where a pad keeps what is on it, for a reload (as Gradio does when the connection was lost), in this tab alone. */
(() => {
  const LOGITS = 4; // as digitMorph.crisp has its levels: 0 to 63 for logits of -4 to 4
  const SIDES = ["source", "target"];

  /* The field over a sheet; `number` is null until somebody wants to type. */
  digitMorph.Typed = class {
    constructor(element, changed) {
      Object.assign(this, { number: null, place: element.querySelector(".pad"), field: element.querySelector(".typing") });
      const [open, close] = ["type", "back"].map((tool) => element.querySelector(`[data-tool=${tool}]`));
      open.onclick = () => (this.set(""), changed(), this.field.focus());
      close.onclick = () => (this.set(null), changed(), open.focus());
      this.field.addEventListener("input", () => ((this.number = this.field.value), changed()));
      this.field.addEventListener("keydown", (event) => event.key === "Enter" && document.querySelector("#morph").click());
    }

    set(number) {
      this.number = number;
      this.field.value = number ?? "";
      this.place.classList.toggle("typed", number !== null);
      digitMorph.countTyped();
    }
  };

  /* How many sides of the open tab are typed: what asks whose hand they are in is shown by it. */
  digitMorph.countTyped = () => {
    const { tab } = document.documentElement.dataset;
    const sheets = { draw: digitMorph.pads, upload: digitMorph.uploads }[tab] ?? {};
    const typed = SIDES.filter((side) => tab === "type" || (sheets[side] && sheets[side].typed.number !== null));
    document.documentElement.dataset.typed = typed.length;
  };
  document.documentElement.addEventListener("tab", digitMorph.countTyped);

  digitMorph.kept = (name, value) => {
    try {
      if (value !== undefined) sessionStorage.setItem("digit-morph-" + name, JSON.stringify(value));
      return JSON.parse(sessionStorage.getItem("digit-morph-" + name));
    } catch {
      return null; // a frame without storage
    }
  };

  /* Read digits, 784 bytes of ink each in base64, side by side: a canvas as high as a digit, `side` px. */
  digitMorph.sideBySide = (inks, side, colour) => {
    const canvas = Object.assign(document.createElement("canvas"), { width: inks.length * side, height: side });
    const pen = canvas.getContext("2d");
    inks.forEach((ink, i) => digitMorph.crisp(pen, levels(digitMorph.bytes(ink)), i * side, 0, side, colour));
    return canvas;
  };

  const levels = (ink) =>
    Float32Array.from(ink, (value) => {
      const p = Math.min(0.98, Math.max(0.02, value / 255));
      return (31.5 * (LOGITS + Math.log(p / (1 - p)))) / LOGITS;
    });
})();
