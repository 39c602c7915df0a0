/* The Explore tab: asks the server for one thing at a time, the first time the tab is opened. */
(() => {
  digitMorph.mountExplore = (element) => {
    const find = (selector) => element.querySelector(selector);
    const error = find(".error");
    const waiting = [];
    let asked = null;

    /* Ask for something -> what was made, or null: then what went wrong is said. A later action of the same kind
       takes the place of one that has not been sent yet. */
    const ask = (action) =>
      new Promise((done) => {
        const same = waiting.findIndex((other) => other.action.ask === action.ask);
        if (same >= 0) waiting.splice(same, 1)[0].done(null);
        waiting.push({ action, done });
        next();
      });

    async function next() {
      if (asked || !waiting.length) return;
      asked = waiting.shift();
      const { action, done } = asked;
      error.textContent = "";
      done(await digitMorph.ask("explore", action).catch((failed) => { error.textContent = failed.message; return null; }));
      asked = null;
      next();
    }

    const view = new digitMorph.MapView(element);
    const strips = new digitMorph.Directions(element, ask);
    const grids = { new: new DigitGrid(find("[data-grid=new]")), hand: new DigitGrid(find("[data-grid=hand]")) };
    find(".morph-these").addEventListener("click", () => digitMorph.bring(view.pictures()));
    const seed = () => Math.floor(Math.random() * 2 ** 31);
    const any = () => Math.floor(10 * Math.random());

    /* --- the digit to start from, ten new ones, ten of one hand --- */

    const start = numerals(find("[data-start]"), (digit) => strips.begin(digit, seed()));
    find("[data-strips=random]").addEventListener("click", () => start(any()));

    let wanted = 7;
    const anew = async () => {
      find("[data-more=new]").textContent = `Ten new ${wanted}s`;
      const made = await ask({ ask: "new", digit: wanted, seed: seed() });
      if (made) grids.new.show(made, `Ten new pictures of ${made.digit}, which nobody wrote`);
    };
    const renew = numerals(find("[data-new]"), (digit) => { wanted = digit; anew(); });
    find("[data-more=new]").addEventListener("click", anew);

    const tenInOneHand = async (drawn) => {
      const drawing = drawn ? (digitMorph.pads.source?.drawn() ?? null) : null;
      const made = await ask({ ask: "hand", drawing, digit: any(), seed: seed() });
      if (!made) return;
      const [mini, words] = find(".whose-hand").children;
      digitMorph.drawPixels(mini, digitMorph.bytes(made.ink));
      words.textContent = made.drawn ? `in the hand of your ${made.digit}` : `in the hand of this ${made.digit}; draw your own under Draw, then come back`;
      grids.hand.show(made, `The digits 0 to 9 in the hand of a ${made.digit}`);
    };
    find("[data-more=hand]").addEventListener("click", () => tenInOneHand(true));
    find("[data-more=other]").addEventListener("click", () => tenInOneHand(false));

    /* --- opening the tab --- */

    let begun = false;
    let traced = "";

    async function open() {
      find("[data-more=hand]").hidden = !digitMorph.pads.source?.drawn();
      if (!begun) {
        begun = true;
        const made = await ask({ ask: "map" });
        begun = made !== null;
        if (!made) return;
        find(".note").textContent = made.note;
        await view.show(made);
        view.demonstrate(1, 0); // as far as it goes: past half of the digits
        start(3);
        renew(7);
        tenInOneHand(true);
      }
      await trace();
    }

    async function trace() {
      const { permalink, sides } = digitMorph.morph ?? {};
      if (!view.map || !permalink || permalink === traced) return;
      traced = permalink;
      const made = await ask({ ask: "trail", permalink });
      if (made) view.trace(made.lines, sides.map((side) => side.number));
    }

    const root = document.documentElement;
    root.addEventListener("tab", (event) => event.detail === "explore" && open());
    if (root.dataset.tab === "explore") open();
    digitMorph.explore = { map: view, strips, grids };
  };

  /* Ten buttons; returns what presses one. */
  function numerals(box, choose) {
    const press = (digit) => { mark(digit); choose(digit); };
    const mark = digitMorph.choices(box, [...Array(10).keys()], press);
    return press;
  }

  /* Ten pictures in two rows of five. */
  class DigitGrid {
    constructor(canvas) {
      this.canvas = canvas;
      digitMorph.onRepaint(canvas, () => this.paint());
    }

    async show(made, words) {
      this.cells = await digitMorph.unpack(made.cells);
      this.canvas.setAttribute("aria-label", words);
      this.paint();
    }

    paint() {
      if (this.cells) digitMorph.drawDigits(this.canvas, 5, this.cells.row(0));
    }
  }
})();
