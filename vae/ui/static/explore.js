/* The Explore tab: asks the server for one thing at a time, the first time the tab is opened. */
(() => {
  digitMorph.mountExplore = (element, trigger, name) => {
    const find = (selector) => element.querySelector(selector);
    const trouble = find(".trouble");
    const waiting = [];
    let asked = null;

    /* Ask for something -> what was made, or null: then what went wrong is said. A later wish of the same kind
       takes the place of one that has not been sent yet. */
    const ask = (wish) =>
      new Promise((done) => {
        const same = waiting.findIndex((other) => other.wish.ask === wish.ask);
        if (same >= 0) waiting.splice(same, 1)[0].done(null);
        waiting.push({ wish, done });
        next();
      });

    function next() {
      if (asked || !waiting.length) return;
      asked = waiting.shift();
      trigger(name);
    }

    digitMorph.wish = () => asked.wish;
    digitMorph.answered = (made) => {
      const { done } = asked;
      asked = null;
      trouble.textContent = made ? made.error ?? "" : "That did not work. Please try again in a moment.";
      done(made && !made.error ? made : null);
      next();
    };

    const chart = new digitMorph.Chart(element);
    const strips = new digitMorph.Strips(element, ask);
    const tens = Object.fromEntries([...element.querySelectorAll("[data-ten]")].map((canvas) => [canvas.dataset.ten, new Ten(canvas)]));
    find(".onward").addEventListener("click", () => digitMorph.bring(chart.pictures()));
    const seed = () => Math.floor(Math.random() * 2 ** 31);
    const any = () => Math.floor(10 * Math.random());

    /* --- the digit to start from, ten new ones, ten of one hand --- */

    const start = numerals(find("[data-start]"), (digit) => strips.begin(digit, seed()));
    find("[data-strips=random]").addEventListener("click", () => start(any()));

    let wanted = 7;
    const anew = async () => {
      find("[data-more=new]").textContent = `Ten new ${wanted}s`;
      const made = await ask({ ask: "new", digit: wanted, seed: seed() });
      if (made) tens.new.show(made, `Ten new pictures of ${made.digit}, which nobody wrote`);
    };
    const renew = numerals(find("[data-new]"), (digit) => ((wanted = digit), anew()));
    find("[data-more=new]").addEventListener("click", anew);

    const hand = async (drawn) => {
      const drawing = drawn ? digitMorph.pads.source?.picture() ?? null : null;
      const made = await ask({ ask: "hand", drawing, digit: any(), seed: seed() });
      if (!made) return;
      const [mini, words] = find(".of").children;
      mini.getContext("2d").clearRect(0, 0, 28, 28);
      mini.getContext("2d").drawImage(digitMorph.picture(made.ink), 0, 0);
      words.textContent = made.drawn ? `in the hand of your ${made.digit}` : `in the hand of this ${made.digit}; draw your own under Draw, then come back`;
      tens.hand.show(made, `The digits 0 to 9 in the hand of a ${made.digit}`);
    };
    find("[data-more=hand]").addEventListener("click", () => hand(true));
    find("[data-more=other]").addEventListener("click", () => hand(false));

    /* --- opening the tab --- */

    let begun = false;
    let traced = "";

    async function open() {
      find("[data-more=hand]").hidden = !digitMorph.pads.source?.strokes.length;
      if (!begun) {
        begun = true;
        const map = await ask({ ask: "map" });
        if (!map) return (begun = false);
        find(".note").textContent = map.note;
        await chart.show(map);
        chart.demonstrate(1, 0); // as far as it goes: past half of the digits
        start(3);
        renew(7);
        hand(true);
      }
      await trace();
    }

    const sides = () => digitMorph.morph?.sides.map((side) => side.number) ?? ["3", "8"];

    async function trace() {
      const recipe = digitMorph.morph?.recipe;
      if (!chart.cells || !recipe || recipe === traced) return;
      traced = recipe;
      const numbers = sides();
      const made = await ask({ ask: "trail", recipe });
      if (made) chart.trace(made.lines, numbers);
    }

    const root = document.documentElement;
    root.addEventListener("tab", (event) => event.detail === "explore" && open());
    if (root.dataset.tab === "explore") open();
    digitMorph.explore = { chart, strips, tens };
  };

  /* Ten buttons; returns what presses one. */
  function numerals(box, choose) {
    const press = (digit) => {
      for (const [i, button] of [...box.children].entries()) button.setAttribute("aria-pressed", String(i === digit));
      choose(digit);
    };
    box.append(
      ...[...Array(10).keys()].map((digit) => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: digit });
        button.setAttribute("aria-pressed", "false");
        button.addEventListener("click", () => press(digit));
        return button;
      }),
    );
    return press;
  }

  /* Ten pictures in two rows of five. */
  class Ten {
    constructor(canvas) {
      this.canvas = canvas;
      new ResizeObserver(() => this.paint()).observe(canvas);
      new MutationObserver(() => this.paint()).observe(document.body, { attributeFilter: ["class"] });
    }

    async show(made, words) {
      this.made = made;
      this.cells = await digitMorph.unpack(made.cells);
      this.canvas.setAttribute("aria-label", words);
      this.paint();
    }

    paint() {
      const sheet = this.cells && digitMorph.fitted(this.canvas);
      if (!sheet) return;
      const colour = digitMorph.colour(this.canvas);
      const side = sheet.w / 5;
      for (let i = 0; i < 10; i++)
        digitMorph.crisp(sheet.pen, this.cells.at(0, i), (i % 5) * side, Math.floor(i / 5) * side, side, colour);
    }
  }
})();
