/* Until Gradio's page is whole, its frame lies over it (#opening): then that goes, all at once, so that nothing jumps. */
digitMorph.openPage = (opening) => {
  const PARTS = ["header .theme-toggle", "#pad-source canvas", "#stage .player", "#pad-target canvas", "#type-source input", "#type-target input", "#morph", "#options > button", "footer"];
  const PATIENCE = 10_000; // ms after Gradio's first sign, should it show something else than the page
  const app = document.querySelector("gradio-app");
  // Of the system's colours and those that somebody has chosen, Gradio would take the former first.
  app.setAttribute("theme_mode", document.documentElement.classList.contains("dark") ? "dark" : "light");
  digitMorph.mountHeader(opening);

  /* The morph that the page opens with plays here already; Gradio's player goes on with it where it is. */
  digitMorph.playOpening = () => {
    const shown = window.gradio_config.components.find(({ props }) => props.elem_id === "player");
    if (opening.isConnected && !digitMorph.player) digitMorph.mountPlayer(opening.querySelector(".stage"), shown.props.value);
  };

  let waiting = 0;
  const watch = new MutationObserver(() => {
    waiting ||= setTimeout(show, PATIENCE);
    if (!PARTS.every((part) => app.querySelector(part))) return;
    watch.disconnect();
    requestAnimationFrame(show); // when the scripts of its parts have run
  });
  watch.observe(app, { childList: true, subtree: true });

  function show() {
    clearTimeout(waiting);
    watch.disconnect();
    opening.remove();
  }
};
