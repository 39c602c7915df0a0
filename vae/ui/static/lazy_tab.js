/* A tab that the server fills from the visitor's last morph: asked when the tab is open and the morph is
   another than the one it shows. `ask()` gives a promise. One question at a time: what changes meanwhile is asked
   for after the answer. */
digitMorph.LazyTab = class {
  constructor(tab, element, ask, show) {
    Object.assign(this, { tab, element, ask, show, wanted: null, asking: false, extra: "" });
    this.error = element.querySelector(".error");
    document.documentElement.addEventListener("tab", () => this.refresh());
    document.documentElement.addEventListener("morph", () => this.refresh(""));
    const wait = () => (digitMorph.morph ? this.refresh() : requestAnimationFrame(wait));
    wait();
  }

  async refresh(extra = this.extra) {
    this.extra = extra; // what else the answer depends on
    if (!digitMorph.morph || document.documentElement.dataset.tab !== this.tab) return;
    if (this.asking || this.wanted === this.key) return;
    this.wanted = this.key;
    this.asking = true;
    const waiting = setTimeout(() => this.element.setAttribute("data-busy", ""), 250);
    this.error.textContent = "";
    let made = null;
    let said = "";
    try {
      made = await this.ask();
    } catch (error) {
      said = error.message;
    }
    this.asking = false;
    clearTimeout(waiting);
    this.element.removeAttribute("data-busy");
    const late = this.wanted !== this.key;
    if (late || !made) this.wanted = null; // coming back to the tab asks again
    if (late) this.refresh();
    else if (made) await this.show(made);
    else this.error.textContent = said;
  }

  get key() {
    return `${digitMorph.morph.permalink}/${this.extra}`;
  }
};
