"use strict";
// Refreshes the answer in place while the form changes. Without this script the form does the same by its button.
(() => {
  const form = document.getElementById("asked");
  if (!form) return;
  let timer = 0, asking = null, polling = 0;
  const status = (text) => { const line = document.getElementById("status"); if (line) line.textContent = text; };
  const zone = document.getElementById("tz");
  if (zone && !zone.value) zone.placeholder = Intl.DateTimeFormat().resolvedOptions().timeZone || zone.placeholder;

  // The address of what the form says: the same as the form's own, without empty fields.
  const address = () => {
    const fields = [...new FormData(form)].filter(([, value]) => String(value).trim() !== "");
    return form.getAttribute("action") + "?" + new URLSearchParams(fields);
  };

  async function refresh(remember) {
    clearTimeout(polling);
    if (asking) asking.abort();
    asking = new AbortController();
    const here = address(), answer = document.getElementById("answer");
    answer.classList.add("stale");
    try {
      const response = await fetch(here, { signal: asking.signal, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const found = page.getElementById("answer");
      if (!found) {
        const refused = page.querySelector(".faults");
        if (refused) answer.replaceChildren(document.importNode(refused, true));
      } else {
        if (remember) history.replaceState(null, "", here);
        answer.replaceWith(document.importNode(found, true));
        for (const fault of form.querySelectorAll(".fact .fault")) fault.remove();
        for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
        for (const fault of page.querySelectorAll("#asked .fact .fault")) {
          const input = document.getElementById(fault.id.replace(/-fault$/, ""));
          if (!input) continue;
          input.setAttribute("aria-invalid", "true");
          input.after(document.importNode(fault, true));
        }
        const caption = document.querySelector("#answer caption");
        status(caption ? caption.textContent : "");
        follow();
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      status("NK758");
    }
    document.getElementById("answer").classList.remove("stale");
  }

  // Asks how far a long run is until it is done.
  function follow() {
    const running = document.getElementById("running");
    if (!running) return;
    polling = setTimeout(async () => {
      const response = await fetch("/progress?key=" + running.dataset.key).catch(() => null);
      const told = response && response.ok ? await response.json() : { state: "refused" };
      if (!running.isConnected) return;
      if (told.state === "done" || told.state === "refused") { refresh(false); return; }
      const bar = running.querySelector("progress");
      if (told.total) { bar.max = told.total; bar.value = told.done; document.getElementById("count").textContent = told.done + " / " + told.total; }
      follow();
    }, 500);
  }

  form.addEventListener("input", (event) => {
    if (event.target.matches("[data-again]")) return;
    clearTimeout(timer);
    timer = setTimeout(() => refresh(true), 350);
  });
  form.addEventListener("change", (event) => { if (event.target.matches("[data-again]")) location.assign(address()); });
  form.addEventListener("submit", (event) => { event.preventDefault(); location.assign(address()); });
  follow();
})();
