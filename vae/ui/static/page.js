/* The page: which tab is open, light or dark. Everything hangs on one object; the other scripts add to it. */
window.digitMorph = { pads: {}, uploads: {}, player: null, downloads: null, morph: null };

(() => {
  const root = document.documentElement;
  const MORPH_TABS = ["draw", "type", "upload"];
  const TABS = [...MORPH_TABS, "explore", "compare", "how"];

  /* --- tabs: links to #draw, #type ...; the open one is an attribute of <html>, CSS does the rest --- */

  digitMorph.openTab = (tab) => {
    root.dataset.tab = tab;
    root.toggleAttribute("data-morph-tab", MORPH_TABS.includes(tab));
    root.dispatchEvent(new CustomEvent("tab", { detail: tab })); // what is made on first sight listens
    for (const link of document.querySelectorAll("nav.tabs a")) {
      const here = link.hash === `#${tab}`;
      if (here) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
      if (here) link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.clientWidth / 2; // a phone's row
    }
  };

  digitMorph.goTo = (tab) => {
    history.pushState(null, "", `${location.pathname}${location.search}#${tab}`);
    digitMorph.openTab(tab);
  };

  const known = (hash) => TABS.includes(hash.slice(1));

  function follow() {
    if (known(location.hash)) digitMorph.openTab(location.hash.slice(1));
    else digitMorph.openLink();
  }

  window.addEventListener("hashchange", follow);
  digitMorph.openTab(known(location.hash) ? location.hash.slice(1) : "draw");

  digitMorph.mountHeader = (element) => {
    element.querySelector("nav.tabs").addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link) return;
      event.preventDefault(); // the page's <base> would make it another address
      digitMorph.goTo(link.hash.slice(1));
    });
    window.addEventListener("popstate", follow);
    element.querySelector(".theme-toggle").addEventListener("click", () => setTheme(!isDark(), true));
    digitMorph.openTab(root.dataset.tab);
    setTheme(isDark());
  };

  /* --- light or dark: the system's choice, until the visitor makes one --- */

  const system = matchMedia("(prefers-color-scheme: dark)");

  function isDark() {
    const chosen = digitMorph.stored("localStorage", "theme") ?? new URLSearchParams(location.search).get("__theme");
    return chosen ? chosen === "dark" : system.matches;
  }

  function setTheme(dark, byHand = false) {
    if (byHand) digitMorph.stored("localStorage", "theme", dark ? "dark" : "light");
    document.body.classList.toggle("dark", dark);
    root.style.colorScheme = dark ? "dark" : "light";
    const themeToggle = document.querySelector(".theme-toggle");
    if (!themeToggle) return;
    themeToggle.textContent = dark ? "Light" : "Dark";
    themeToggle.setAttribute("aria-label", dark ? "Use light colours" : "Use dark colours");
  }

  system.addEventListener("change", () => setTheme(isDark()));
})();
