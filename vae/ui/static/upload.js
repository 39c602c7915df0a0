/* A place for pictures: one of a whole number, or one a digit. They are made smaller here and leave at Morph. */
(() => {
  const LONGEST = 1600; // px of a picture that is sent
  const MOST = 4;
  const LEAST = 0.05; // of a picture's side, for a part of it

  class Upload {
    constructor(element) {
      this.shots = element.querySelector(".shots");
      this.sheet = element.querySelector(".sheet");
      this.input = element.querySelector(".chooser");
      this.typed = new digitMorph.TypedField(element, () => digitMorph.changed());
      this.tools = Object.fromEntries([...element.querySelectorAll("[data-tool]")].map((b) => [b.dataset.tool, b]));
      this.tools.clear.onclick = () => this.set();
      this.tools.example.onclick = () => this.write(digitMorph.anyNumber(2));
      this.tools.turn.onclick = () => this.change(turned);
      this.crop();
      const take = digitMorph.takePictures(this.sheet, (pictures) => this.set({ pictures }));
      this.input.addEventListener("change", async () => {
        await take([...this.input.files]);
        this.input.value = ""; // so that the same file can be chosen again
      });
      this.set();
    }

    /* Make other pictures of these. */
    async change(make) {
      const before = this.pictures;
      const pictures = await Promise.all(before.map(make));
      if (this.pictures === before) this.set({ pictures });
    }

    /* Drag a frame over a picture, and what is in it stays. */
    crop() {
      let start = null;
      const box = digitMorph.make("i", { className: "crop" });
      const spot = (event) => digitMorph.shares(start.image, event);
      const frame = (event) => [0, 1].map((k) => [start.at[k], spot(event)[k]].sort((a, b) => a - b));
      this.shots.addEventListener("pointerdown", (event) => {
        const image = event.target.closest("img");
        if (!image || event.button) return;
        event.preventDefault();
        this.shots.setPointerCapture(event.pointerId);
        start = { image, at: digitMorph.shares(image, event) };
      });
      this.shots.addEventListener("pointermove", (event) => {
        if (!start) return;
        const [[left, right], [top, bottom]] = frame(event);
        const { offsetLeft: x, offsetTop: y, offsetWidth: w, offsetHeight: h } = start.image;
        this.shots.append(box);
        Object.assign(box.style, { left: `${x + left * w}px`, top: `${y + top * h}px`, width: `${(right - left) * w}px`, height: `${(bottom - top) * h}px` });
      });
      this.shots.addEventListener("pointerup", (event) => {
        if (!start) return;
        const [across, down] = frame(event);
        const { src } = start.image;
        box.remove();
        start = null;
        if (Math.min(across[1] - across[0], down[1] - down[0]) > LEAST)
          this.change((picture) => (picture === src ? cropped(picture, across, down) : picture));
      });
    }

    write(number) {
      this.set({ pictures: [example(number)] });
    }

    get content() {
      const { pictures, told } = this;
      return { pictures, told, number: this.typed.number };
    }

    /* What the server gets; null where nothing is chosen. */
    sent() {
      const { pictures, told, typed: { number } } = this;
      if (number !== null) return number ? { number } : null;
      return pictures.length ? { pictures, ...(told && { as: told }) } : null;
    }

    /* Somebody says what the number is. */
    tell(number) {
      this.told = number;
      digitMorph.changed();
    }

    set({ pictures = [], number = null, told = null } = {}) {
      this.typed.set(number);
      Object.assign(this, { pictures, told });
      this.sheet.classList.toggle("inked", pictures.length > 0);
      this.tools.clear.disabled = this.tools.turn.disabled = !pictures.length;
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

  /* A part of a picture, given as shares of its width and height; and the picture by a quarter turn to the right. */
  const cropped = (src, [left, right], [top, bottom]) =>
    redrawn(src, (image) => [(right - left) * image.naturalWidth, (bottom - top) * image.naturalHeight], (pen, image) =>
      pen.drawImage(image, -left * image.naturalWidth, -top * image.naturalHeight));

  const turned = (src) =>
    redrawn(src, (image) => [image.naturalHeight, image.naturalWidth], (pen, image) => {
      pen.translate(image.naturalHeight, 0);
      pen.rotate(Math.PI / 2);
      pen.drawImage(image, 0, 0);
    });

  async function redrawn(src, size, draw) {
    const image = digitMorph.make("img", { src });
    await image.decode();
    const { canvas, pen } = digitMorph.paper(...size(image));
    draw(pen, image);
    return canvas.toDataURL("image/jpeg", 0.9);
  }

  /* Pictures that are dropped on a sheet, or pasted while it is the one that was last pointed at: `done` gets them.
     Returns what takes chosen files likewise. */
  digitMorph.takePictures = (sheet, done) => {
    async function take(files) {
      digitMorph.showError(files.length > MOST ? "Choose at most four pictures a side, one for each digit." : "");
      if (!files.length || files.length > MOST) return;
      const asked = {};
      sheet.asked = asked; // of two choices the later one counts, whichever is read first
      try {
        const pictures = await Promise.all(files.map(smaller));
        if (sheet.asked === asked) done(pictures);
      } catch {
        digitMorph.showError("This browser cannot open that picture; a JPEG or PNG works.");
      }
    }
    for (const name of ["dragover", "dragleave", "drop"])
      sheet.addEventListener(name, (event) => {
        event.preventDefault();
        sheet.classList.toggle("over", name === "dragover");
        if (name === "drop") take([...event.dataTransfer.files]);
      });
    for (const name of ["pointerenter", "focusin"]) sheet.addEventListener(name, () => { pasteTo = { sheet, take }; });
    return take;
  };

  let pasteTo = null;
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length || !pasteTo?.sheet.offsetParent) return;
    event.preventDefault();
    pasteTo.take(files);
  });

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
