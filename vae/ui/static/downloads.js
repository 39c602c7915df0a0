/* Taking a morph along: files on demand, and the link. */
digitMorph.mountDownloads = (element, trigger) => {
  const said = element.querySelector(".said");
  let wanted = { permalink: "", format: "" };
  element.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button || !digitMorph.morph) return;
    const { permalink } = digitMorph.morph;
    if (button.dataset.format) {
      wanted = { permalink, format: button.dataset.format };
      said.textContent = "Making the file …";
      trigger("save");
    } else {
      const address = `${location.origin}${location.pathname}${location.search}#m=${permalink}`;
      history.replaceState(null, "", address);
      if (document.documentElement.dataset.tab === "draw") digitMorph.kept("link", permalink); // the pads outlive a reload
      const copied = await navigator.clipboard?.writeText(address).then(() => true, () => false);
      said.textContent = copied ? "Link copied. It holds the whole morph." : "The link is in the address bar.";
    }
  });
  digitMorph.download = () => wanted;
  digitMorph.saved = (file, words) => {
    said.textContent = file ? "" : (words ?? "The file could not be made. Please try again.");
    if (file) digitMorph.make("a", { href: file.url, download: file.orig_name ?? "" }).click();
  };
  digitMorph.reopen = (text) => {
    digitMorph.linked = () => {
      digitMorph.busy(true);
      return text;
    };
    trigger("reopen");
  };
  digitMorph.downloads = element;
  digitMorph.openLink();
};
