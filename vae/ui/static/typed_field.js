/* What a pad and a place for pictures have in common: the number of their side can be typed instead; and
   where a pad keeps what is on it, for a reload (as Gradio does when the connection was lost), in this tab alone. */
(() => {
  /* The field over a sheet; `number` is null until somebody wants to type. */
  digitMorph.TypedField = class {
    constructor(element, changed) {
      Object.assign(this, { number: null, place: element.querySelector(".pad"), field: element.querySelector(".typing") });
      const [open, close] = ["type", "back"].map((tool) => element.querySelector(`[data-tool=${tool}]`));
      const choose = (number, focused) => {
        this.set(number);
        changed();
        focused.focus();
      };
      open.onclick = () => choose("", this.field);
      close.onclick = () => choose(null, open);
      this.field.addEventListener("input", () => { this.number = this.field.value; changed(); });
      this.field.addEventListener("keydown", (event) => event.key === "Enter" && digitMorph.press());
    }

    set(number) {
      this.number = number;
      this.field.value = number ?? "";
      this.place.classList.toggle("typed", number !== null);
      countTyped();
    }
  };

  /* How many sides of the open tab are typed: what asks whose hand they are in is shown by it. */
  function countTyped() {
    const { tab } = document.documentElement.dataset;
    const sheets = Object.values({ draw: digitMorph.pads, upload: digitMorph.uploads }[tab] ?? {});
    const typed = sheets.filter((sheet) => sheet.typed.number !== null).length;
    document.documentElement.dataset.typed = tab === "type" ? 2 : typed;
  }
  document.documentElement.addEventListener("tab", countTyped);

  digitMorph.kept = (name, value) =>
    JSON.parse(digitMorph.stored("sessionStorage", name, value === undefined ? value : JSON.stringify(value)));
})();
