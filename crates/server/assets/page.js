// Keeps an open page as it is on the server: it listens to what changes, fetches the same page again, and
// puts in those parts that differ. Without it the page is the same, as of when it was loaded.
(() => {
  "use strict";
  const body = document.body;
  document.documentElement.classList.add("scripted");
  const sight = document.getElementById("sight");
  const words = sight && sight.querySelector("span:last-child");
  const QUIET = 250;
  let stream = null;
  let fetching = false;
  let again = false;
  let last = 0;
  let timer = 0;
  let lost = null;

  const clock = (time) => time.toLocaleTimeString([], { hour12: false });

  function show() {
    if (!sight || sight.dataset.blind) return;
    sight.classList.toggle("live", lost === null);
    sight.classList.toggle("blind", lost !== null);
    words.textContent = lost === null
      ? sight.dataset.live
      : sight.dataset.lost.replace("{}", clock(lost));
  }

  function swap(fresh) {
    for (const next of fresh.querySelectorAll("[data-live-part]")) {
      const now = document.getElementById(next.id);
      if (!now || now.innerHTML === next.innerHTML) continue;
      const open = new Set([...now.querySelectorAll("details[open][id]")].map((one) => one.id));
      const focused = now.contains(document.activeElement) ? document.activeElement.id : "";
      now.innerHTML = next.innerHTML;
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }
    const next = fresh.getElementById("sight");
    if (sight && next) {
      sight.className = next.className;
      sight.dataset.blind = next.dataset.blind;
      words.textContent = next.querySelector("span:last-child").textContent;
      show();
    }
    body.dataset.number = fresh.body.dataset.number;
    document.title = fresh.title;
  }

  async function refresh(url) {
    if (fetching) { again = true; return; }
    fetching = true;
    last = Date.now();
    try {
      const answer = await fetch(url || location.href, { headers: { accept: "text/html" } });
      // Whoever has to sign in again is led there.
      if (answer.redirected && new URL(answer.url).pathname === "/sign-in") { location.reload(); return; }
      if (answer.ok || answer.status === 404) {
        swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
    } catch { /* The stream says when the server is there again. */ }
    fetching = false;
    if (again) { again = false; soon(); }
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(refresh, Math.max(0, last + QUIET - Date.now()));
  }

  function listen() {
    if (stream || !body.dataset.events) return;
    stream = new EventSource(body.dataset.events);
    stream.addEventListener("at", (event) => {
      lost = null;
      show();
      if (event.data !== body.dataset.number) soon();
    });
    stream.addEventListener("change", soon);
    stream.onerror = () => {
      if (lost === null) lost = new Date();
      show();
      // A stream that was refused is not tried again by the browser.
      if (stream && stream.readyState === EventSource.CLOSED) { stop(); soon(); setTimeout(listen, 5000); }
    };
  }

  function stop() {
    if (stream) stream.close();
    stream = null;
  }

  // A page that nobody sees keeps no connection.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", listen);
  if (!document.hidden) listen();

  // The list follows what is typed.
  const find = document.querySelector("form.find");
  if (find) {
    let typing = 0;
    const follow = () => {
      const url = `${find.getAttribute("action")}?${new URLSearchParams(new FormData(find))}`;
      history.replaceState(null, "", url);
      refresh(url);
    };
    find.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(follow, 120);
    });
  }

  // Ages grow.
  const age = (seconds) => {
    if (seconds < 120) return `${seconds}s`;
    if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
    if (seconds < 172800) return `${Math.floor(seconds / 3600)}h`;
    return `${Math.floor(seconds / 86400)}d`;
  };
  setInterval(() => {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const seconds = Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000);
      time.textContent = age(Math.max(0, seconds));
    }
  }, 1000);
})();
