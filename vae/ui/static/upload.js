/* A place for pictures: one of a whole number, or one a digit. They are made smaller here and leave at Morph. */
(() => {
  const LONGEST = 1600; // px of a picture that is sent
  const MOST = 4;

  class Upload {
    constructor(element) {
      this.shots = element.querySelector(".shots");
      this.sheet = element.querySelector(".sheet");
      this.input = element.querySelector(".chooser");
      this.typed = new digitMorph.Typed(element, () => {});
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
      const fault = document.querySelector(".fault");
      fault.textContent = files.length > MOST ? "Choose at most four pictures a side, one for each digit." : "";
      if (!files.length || files.length > MOST) return;
      try {
        this.set({ pictures: await Promise.all(files.map(smaller)) });
      } catch {
        fault.textContent = "This browser cannot open that picture; a JPEG or PNG works.";
      }
      this.input.value = ""; // so that the same file can be chosen again
    }

    write(number) {
      this.set({ pictures: [example(number)] });
    }

    get content() {
      return { pictures: this.pictures, number: this.typed.number };
    }

    /* What the server gets. */
    sent() {
      const { number } = this.typed;
      return number === null ? this.pictures : { number };
    }

    set({ pictures = [], number = null } = {}) {
      this.typed.set(number);
      this.pictures = pictures;
      this.sheet.classList.toggle("inked", pictures.length > 0);
      this.tools.clear.disabled = !pictures.length;
      this.shots.replaceChildren(...pictures.map((src) => Object.assign(new Image(), { src, alt: "a chosen picture" })));
    }
  }

  /* A file -> a JPEG as a data URL, no side longer than LONGEST, on white where it was clear. */
  async function smaller(file) {
    const picture = await createImageBitmap(file);
    const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const { canvas, pen } = sheet(picture.width * scale, picture.height * scale, "#fff");
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/jpeg", 0.9);
  }

  function sheet(width, height, colour) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width));
    canvas.height = Math.max(1, Math.round(height));
    const pen = canvas.getContext("2d");
    pen.fillStyle = colour;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    return { canvas, pen };
  }

  /* A number written on paper, as a camera would see it: light from one side, grain, blue ink. */
  function example(number) {
    const { canvas, pen } = sheet(640, 480, "#e9e4d8");
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
    for (const stroke of digitMorph.write(number, 4 / 3)) {
      pen.beginPath();
      pen.moveTo(480 * stroke[0][0], 480 * stroke[0][1]);
      for (let i = 1; i < stroke.length - 1; i++) {
        const middle = [0, 1].map((k) => (240 * (stroke[i][k] + stroke[i + 1][k])));
        pen.quadraticCurveTo(480 * stroke[i][0], 480 * stroke[i][1], ...middle);
      }
      pen.lineTo(480 * stroke.at(-1)[0], 480 * stroke.at(-1)[1]);
      pen.stroke();
    }
    return canvas.toDataURL("image/jpeg", 0.9);
  }

  digitMorph.mountUpload = (element, side) => ((digitMorph.uploads ??= {})[side] = new Upload(element));
})();
