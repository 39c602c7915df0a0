/* Until Gradio's page is whole, its frame lies over it (#opening): then it goes, at once, so that nothing jumps. */
digitMorph.openPage = (opening) => {
  const app = document.querySelector("gradio-app");
  const PARTS = ["header .theme-toggle", "#pad-source canvas", "#stage .player", "#pad-target canvas", "#morph", "#type-source input", "#options > button", "footer"];
  const isWhole = () => digitMorph.downloads && PARTS.every((part) => app.querySelector(part));
  digitMorph.mountHeader(opening);
  const watch = new MutationObserver(() => isWhole() && show());
  watch.observe(app, { childList: true, subtree: true });

  function show() {
    watch.disconnect();
    opening.remove();
  }
};
