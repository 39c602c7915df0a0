/* Asking the server: one value out, one answer back. */
(() => {
  const page = Math.random().toString(36).slice(2, 12);
  const address = (path) => `${window.gradio_config?.root ?? ""}${path}`;

  /* What the event `name` makes of a value, as JSON or, where it is a file, as {blob, name}. Raises an Error whose
     message is for the visitor; `busy` is set on it where the server has no room just now. */
  digitMorph.ask = async (name, value) => {
    const headers = { "Content-Type": "application/json", "X-Digit-Morph-Page": page };
    const answer = await fetch(address(`/page/${name}`), { method: "POST", headers, body: JSON.stringify(value) }).catch(() => null);
    if (!answer) throw new Error(digitMorph.OFFLINE);
    digitMorph.waiting = Number(answer.headers.get("X-Digit-Morph-Waiting"));
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw Object.assign(new Error(said.error ?? digitMorph.SORRY), { busy: answer.status === 503 });
    }
    const saved = /filename=(\S+)/.exec(answer.headers.get("Content-Disposition") ?? "");
    return saved ? { blob: await answer.blob(), name: decodeURIComponent(saved[1]) } : answer.json();
  };

  /* How many wait for the server, as it says when asked. */
  digitMorph.queue = () =>
    fetch(address("/healthz")).then((answer) => answer.json(), () => ({})).then((found) => found.waiting ?? 0);
})();
