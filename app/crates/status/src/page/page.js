// Keeps the page fresh, and sends its buttons without leaving it. Without this file everything can still be read and done.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);

  // --- Look again: fetch the page as the server renders it, and replace the sections that changed. ---
  // A device that is gone may leave a question open for ever, and say nothing for ever: each has its time, in milliseconds.
  const LOOK_TIME = 10000, ACT_TIME = 30000, SILENCE = 15000;
  // AbortSignal.timeout is younger than phones in use.
  function within(time) {
    const asked = new AbortController();
    setTimeout(() => asked.abort(), time);
    return asked.signal;
  }
  // While an update is sent, to go to another page would break it off.
  let uploading = false;
  let looking = false, again = false, silence;
  async function refresh() {
    if (looking) { again = true; return; }
    looking = true;
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html", "X-Refresh": "1" }, signal: within(LOOK_TIME),
      });
      const over = answer.redirected && new URL(answer.url).pathname === "/login";
      if (over && !uploading) { location.assign("/login"); return; }
      if ((answer.ok || answer.status === 400) && !over) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      lost(false);
    } catch { lost(true); }
    looking = false;
    if (again) { again = false; soon(); }
    clearTimeout(silence);
    silence = setTimeout(refresh, SILENCE);
  }

  const seen = new Map();
  for (const now of document.querySelectorAll("[data-live]")) seen.set(now.id, now.outerHTML);

  function show(fresh) {
    document.title = fresh.title;
    for (const now of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(now.id);
      if (!next || next.outerHTML === seen.get(now.id)) continue;
      // Somebody writes a correction: what they typed stays until they send it or fold it up.
      if (now.querySelector("details.correct[open]")) continue;
      seen.set(now.id, next.outerHTML);
      const open = [...now.querySelectorAll("details[open][id]")].map((d) => d.id);
      const loaded = new Map([...now.querySelectorAll("[data-picture] > [data-asked]")].map((p) => [p.parentElement.dataset.picture, p]));
      const active = now.contains(document.activeElement) ? document.activeElement : null;
      const atEnd = now.scrollTop + now.clientHeight >= now.scrollHeight - 4;
      now.className = next.className;
      now.replaceChildren(...next.childNodes);
      for (const id of open) { const d = $(id); if (d) { d.open = true; if (d.dataset.picture) picture(d, loaded.get(d.dataset.picture)); } }
      if (active && !now.contains(document.activeElement)) same(active)?.focus({ preventScroll: true });
      if (now.id === "log" && atEnd) now.scrollTop = now.scrollHeight;
    }
    // What stays as it is typed still needs today's date, and after a log-in in another tab that one's token.
    const day = $("day"), fromDevice = fresh.getElementById("day");
    if (day && fromDevice && day.max !== fromDevice.max) {
      const wasToday = day.value === day.max;
      day.max = fromDevice.max;
      if (wasToday) day.value = day.max;
    }
    const token = fresh.querySelector("input[name=csrf]")?.value;
    if (token) {
      for (const field of document.querySelectorAll("input[name=csrf]")) field.value = token;
      for (const name of ["bundle-form", "students-form", "import-form"]) if ($(name)) $(name).dataset.csrf = token;
    }
    speak();
    const icon = document.querySelector("link[rel=icon]");
    const level = $("verdict") && $("verdict").className;
    if (icon && icon.dataset.level !== level) { icon.dataset.level = level; icon.href = "/icon.svg?" + Date.now(); }
  }

  // What stands where this stood: a summary has no name of its own, its details have.
  function same(element) {
    if (element.id) return $(element.id);
    return element.tagName === "SUMMARY" && element.parentElement.id ? $(element.parentElement.id)?.querySelector("summary") : null;
  }

  // The sentence is read aloud when it is another one, and nothing else is. What reads it must stay while the page changes round it.
  let spoken = $("sentence")?.textContent;
  function speak() {
    const sentence = $("sentence")?.textContent;
    if (sentence === spoken) return;
    spoken = sentence;
    $("spoken").textContent = sentence;
  }

  // However often it is asked for, the page looks at most five times a second, and at least as often as it is asked to.
  let timer;
  // A day of the past is read from the disk each time.
  function soon() {
    const past = new URLSearchParams(location.search).has("day");
    timer ??= setTimeout(() => { timer = undefined; refresh(); }, past ? 5000 : 200);
  }
  // What a person did is shown without that wait.
  function now() { clearTimeout(timer); timer = setTimeout(() => { timer = undefined; refresh(); }, 200); }

  // --- Events say when to look; a lost connection is shown until it is back. ---
  function lost(is) {
    const was = document.body.classList.contains("lost");
    document.body.classList.toggle("lost", is);
    if (is) say("The device does not answer. Trying again…", "attention"); else if (was) hush();
  }
  function listen() {
    const events = new EventSource("/events");
    events.onopen = soon;
    events.onerror = () => {
      // Whether the device is gone, or has only ended the stream (logged out, too many listen), the page finds out by looking.
      refresh();
      // A refused stream is not tried again by the browser.
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
    for (const kind of ["tick", "missed", "photos-synced", "roster-ready", "photo-refused", "left-out", "recognised", "recorded",
      "not-recorded", "hint", "attack-refused", "stranger", "delivered", "delivery-failed", "worker",
      "sync-failed", "removal-waits", "not-saved", "corrected", "door-opened"]) events.addEventListener(kind, soon);
  }

  // --- Buttons say what happened. ---
  let saying;
  function hush() { const p = $("said"); if (p) p.hidden = true; }
  function say(text, level) {
    const p = $("said");
    if (!p) return;
    p.hidden = false;
    p.textContent = text;
    p.className = "outcome " + level;
    // What happened also stands beside its button; over the page it would soon be in the way.
    clearTimeout(saying);
    saying = setTimeout(hush, 8000);
  }
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-act]")) return;
    event.preventDefault();
    // Not disabled: a disabled button loses the keyboard's focus.
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    const button = form.querySelector("button");
    button.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, {
        method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(new FormData(form)), signal: within(ACT_TIME),
      });
      const { success, message, detail } = await answer.json();
      if (answer.status === 401 && !uploading) { location.assign("/login"); return; }
      say(message || detail.error, success ? "well" : "broken");
    } catch { say("The device does not answer. Nothing was changed, or it is not known; look again in a moment.", "broken"); }
    button.removeAttribute("aria-busy");
    delete form.dataset.busy;
    now();
  });

  // --- A large file is sent as it is; fetch cannot tell how far it is. ---
  function sends(form, file, bar, address, words, headers) {
    form.hidden = false;
    const button = form.querySelector("button");
    const busy = (is) => { uploading = is; button.disabled = is; bar.parentElement.hidden = !is; };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = file.files[0];
      if (chosen.size > Number(form.dataset.most)) { say(words.large, "broken"); return; }
      const request = new XMLHttpRequest();
      request.open("POST", address);
      request.setRequestHeader("X-CSRF-Token", form.dataset.csrf);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
      request.responseType = "json";
      request.upload.onprogress = (at) => { bar.value = 100 * at.loaded / at.total; };
      request.onload = () => {
        if (request.status === 401) { location.assign("/login"); return; }
        const { success, message, detail } = request.response || {};
        say(message || (detail && [detail.error, detail.details].filter(Boolean).join(". ")) || "The device does not take it.", success ? "well" : "broken");
      };
      request.onerror = () => say(words.broken, "broken");
      request.onloadend = () => { busy(false); soon(); };
      busy(true);
      bar.value = 0;
      request.send(chosen);
    });
  }
  if ($("bundle-form")) {
    sends($("bundle-form"), $("bundle"), $("sent"), "/update/bundle",
      { large: "That is not an update: it is too large.", broken: "The update was not sent: the connection broke off. The running system is untouched." },
      () => ({}));
  }
  if ($("import-form")) {
    sends($("import-form"), $("archive-file"), $("import-sent"), "/archive/import",
      { large: "That is not an archive: it is too large.", broken: "The archive was not sent: the connection broke off. Nothing was changed." },
      () => ({ "X-Passphrase": encodeURIComponent($("import-passphrase").value), "X-Keep-Settings": $("keep-settings").checked ? "1" : "0" }));
  }

  // --- The filter works while one types. ---
  const filter = $("filter");
  if (filter) {
    let typing;
    const apply = () => {
      const query = new URLSearchParams(new FormData(filter));
      for (const name of ["q", "class"]) if (!query.get(name)) query.delete(name);
      if (query.get("day") === $("day").max) query.delete("day");
      const asked = String(query);
      history.replaceState(null, "", asked ? "/?" + asked : "/");
      now();
    };
    $("class")?.addEventListener("change", apply);
    $("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(apply, 150); });
  }

  // --- Pictures: only while they are looked at. ---
  function picture(details, loaded) {
    const place = details.querySelector("p:last-child");
    if (loaded) { place.replaceWith(loaded); return; }
    if (!details.open || place.dataset.asked) return;
    place.dataset.asked = "yes";
    const image = new Image();
    image.alt = details.dataset.alt;
    image.onerror = () => { delete place.dataset.asked; image.replaceWith("This photo cannot be shown."); };
    image.src = details.dataset.picture;
    place.replaceChildren(image);
  }
  document.addEventListener("toggle", (event) => { if (event.target.dataset.picture) picture(event.target); }, true);

  // --- The pictures of the view "door": each is shown when it is decoded, so that nothing flickers, and asked for only while
  // somebody can see it. ---
  function live(place, address, alt, width, height) {
    let next, showing = 0;
    const step = async (mine) => {
      const image = new Image(width, height);
      image.alt = alt;
      image.src = address + "?" + Date.now();
      // Each waits for the camera's next frame: with this pause five a second and more.
      let wait = 30;
      try { await image.decode(); } catch { wait = 1000; }
      if (mine !== showing) return;
      if (wait === 30) place.replaceChildren(image);
      next = setTimeout(step, wait, mine);
    };
    const follow = () => { showing++; clearTimeout(next); if (!document.hidden) step(showing); };
    document.addEventListener("visibilitychange", follow);
    follow();
  }
  if ($("live")) live($("live"), "/preview.svg", "The camera’s picture with boxes round faces", 960, 540);
  if ($("screen")) live($("screen"), "/door.jpg", "The screen at the door", 800, 480);

  // --- The students' list is sent as it is. ---
  const list = $("students-form");
  if (list) {
    list.hidden = false;
    list.addEventListener("submit", async (event) => {
      event.preventDefault();
      const file = $("students-file").files[0], button = list.querySelector("button");
      if (file.size > Number(list.dataset.most)) { say("That is not a students’ list: it is too large.", "broken"); return; }
      button.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch("/students", { method: "POST", headers: { "X-CSRF-Token": list.dataset.csrf, "Content-Type": "text/csv" }, body: file, signal: within(ACT_TIME) });
        if (answer.status === 401) { location.assign("/login"); return; }
        const { success, message, detail } = await answer.json();
        say(message || detail.error, success ? "well" : "broken");
      } catch { say("The device does not answer. Look again in a moment.", "broken"); }
      button.removeAttribute("aria-busy");
      soon();
    });
  }

  // --- The documentation's "Try it": every call, with its part of the path and its body. ---
  for (const form of document.querySelectorAll("[data-try]")) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const out = form.nextElementSibling, field = (name) => form.querySelector(`[name="${name}"]`);
      const path = form.dataset.try.replace(/\{.*\}/, () => encodeURIComponent(field("part").value));
      const asked = { method: form.dataset.method, headers: { Accept: "application/json" } };
      if (form.dataset.csrf && asked.method === "POST") asked.headers["X-CSRF-Token"] = form.dataset.csrf;
      const file = field("file"), url = field("url");
      if (file) { asked.body = file.files[0]; asked.headers["Content-Type"] = "application/octet-stream"; }
      if (url) asked.body = new URLSearchParams({ url: url.value });
      out.hidden = false;
      out.textContent = "…";
      try {
        const answer = await fetch(path, asked);
        out.textContent = await told(answer);
      } catch { out.textContent = "The device does not answer."; }
    });
  }
  async function told(answer) {
    const head = answer.status + " " + answer.statusText + "\n", kind = answer.headers.get("Content-Type") || "";
    if (kind === "text/event-stream") {
      // What comes within five seconds.
      const reader = answer.body.getReader(), words = new TextDecoder();
      const end = Date.now() + 5000;
      let text = "";
      while (Date.now() < end) {
        const part = await Promise.race([reader.read(), new Promise((go) => setTimeout(go, end - Date.now()))]);
        if (!part || part.done) break;
        text += words.decode(part.value, { stream: true });
      }
      reader.cancel();
      return head + text;
    }
    if (!/^(application\/json|text\/)/.test(kind)) return head + (await answer.blob()).size + " bytes of " + kind;
    const text = await answer.text();
    try { return head + JSON.stringify(JSON.parse(text), null, 2); } catch { return head + text; }
  }

  const log = $("log");
  if (log) log.scrollTop = log.scrollHeight;
  if (document.querySelector("[data-live]")) listen();
})();
