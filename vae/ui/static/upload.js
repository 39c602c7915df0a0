/* A place for pictures: one of a whole number, or one a digit. They are made smaller here and leave at Morph. */
(() => {
  const LONGEST = 1600; // px of a picture that is sent
  const MOST = 4;

  class Upload {
    constructor(element) {
      this.shots = element.querySelector(".shots");
      this.sheet = element.querySelector(".sheet");
      this.input = element.querySelector(".chooser");
      this.typed = new digitMorph.TypedField(element, () => digitMorph.changed());
      this.tools = Object.fromEntries([...element.querySelectorAll("[data-tool]")].map((b) => [b.dataset.tool, b]));
      this.input.addEventListener("change", () => this.take([...this.input.files]));
      this.tools.clear.onclick = () => this.set();
      this.tools.example.onclick = () => this.write(digitMorph.anyNumber(2));
      for (const name of ["dragover", "dragleave", "drop"])
        this.sheet.addEventListener(name, (event) => {
          event.preventDefault();
          this.sheet.classList.toggle("over", name === "dragover");
          if (name === "drop") this.take([...event.dataTransfer.files]);
        });
      this.set();
    }

    async take(files) {
      digitMorph.showError(files.length > MOST ? "Choose at most four pictures a side, one for each digit." : "");
      if (!files.length || files.length > MOST) return;
      try {
        this.set({ pictures: await Promise.all(files.map(smaller)) });
      } catch {
        digitMorph.showError("This browser cannot open that picture; a JPEG or PNG works.");
      }
      this.input.value = ""; // so that the same file can be chosen again
    }

    write(number) {
      this.set({ pictures: [example(number)] });
    }

    get content() {
      return { pictures: this.pictures, number: this.typed.number };
    }

    /* What the server gets; null where nothing is chosen. */
    sent() {
      const { pictures, typed: { number } } = this;
      if (number !== null) return number ? { number } : null;
      return pictures.length ? { pictures } : null;
    }

    set({ pictures = [], number = null } = {}) {
      this.typed.set(number);
      this.pictures = pictures;
      this.sheet.classList.toggle("inked", pictures.length > 0);
      this.tools.clear.disabled = !pictures.length;
      this.shots.replaceChildren(...pictures.map((src) => digitMorph.make("img", { src, alt: "a chosen picture" })));
      digitMorph.changed();
    }
  }

  /* A file -> a JPEG as a data URL, no side longer than LONGEST, on white where it was clear. */
  async function smaller(file) {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const { canvas, pen } = digitMorph.paper(picture.width * scale, picture.height * scale);
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.9);
  }

  /* A number written on paper, as a camera would see it: light from one side, grain, blue ink. */
  function example(number) {
    const { canvas, pen } = digitMorph.paper(640, 480, "#e9e4d8");
    const shade = pen.createLinearGradient(0, 0, 640, 480);
    shade.addColorStop(0, "rgba(255,255,255,.5)");
    shade.addColorStop(1, "rgba(60,50,30,.28)");
    pen.fillStyle = shade;
    pen.fillRect(0, 0, 640, 480);
    for (let i = 0; i < 4000; i++) {
      pen.fillStyle = `rgba(0,0,0,${0.05 * Math.random()})`;
      pen.fillRect(640 * Math.random(), 480 * Math.random(), 2, 2);
    }
    Object.assign(pen, { strokeStyle: "#1f2f6b", lineWidth: 15, lineCap: "round", lineJoin: "round" });
    for (const stroke of digitMorph.write(number, 4 / 3))
      digitMorph.smoothLine(pen, stroke.map(([x, y]) => [480 * x, 480 * y]));
    return canvas.toDataURL("image/jpeg", 0.9);
  }

  digitMorph.mountUpload = (element, side) => (digitMorph.uploads[side] = new Upload(element));
})();
