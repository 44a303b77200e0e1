"use strict";

(() => {
  const LENGTH = 30;
  const EVERY_MS = 2000;
  const $ = (id) => document.getElementById(id);
  const canary = new URLSearchParams(location.search).get("canary");
  const history = [];
  let busy = false;
  let timer = 0;

  // --- what the visitor set, kept in this browser ---

  const settings = {
    read(name) {
      try {
        return localStorage.getItem(`birds.${name}`);
      } catch {
        return null;
      }
    },
    write(name, value) {
      try {
        localStorage.setItem(`birds.${name}`, value);
      } catch {
        // Storage may be off; the page works without it.
      }
    },
  };

  function slider(name, unit) {
    const input = $(name);
    const output = $(`${name}-value`);
    const show = () => {
      output.textContent = `${input.value} ${unit}`;
    };
    const saved = settings.read(name);
    if (saved !== null) input.value = saved;
    show();
    input.addEventListener("input", () => {
      settings.write(name, input.value);
      show();
    });
    return {
      get value() {
        return Number(input.value);
      },
      reset() {
        input.value = "0";
        settings.write(name, "0");
        show();
      },
    };
  }

  const errorRate = slider("error-rate", "%");
  const delay = slider("delay", "s");

  // --- one shuffle ---

  function address() {
    const query = new URLSearchParams();
    if (canary !== null) query.set("canary", canary);
    if (errorRate.value > 0) query.set("error-rate", String(errorRate.value));
    if (delay.value > 0) query.set("delay", String(delay.value));
    const text = query.toString();
    return text ? `/shuffle?${text}` : "/shuffle";
  }

  async function ask() {
    let response;
    try {
      response = await fetch(address(), {
        headers: { "x-client-trace-id": "1" },
        cache: "no-store",
      });
    } catch {
      return { metadata: {}, error: "the gateway cannot be reached" };
    }
    const text = await response.text();
    if (response.ok) {
      try {
        return JSON.parse(text);
      } catch {
        // Told below as what it is.
      }
    }
    const reason = text.trim().slice(0, 300);
    return { metadata: {}, error: `received status code ${response.status} from frontend: ${reason}` };
  }

  async function shuffle() {
    if (busy) return;
    busy = true;
    $("shuffle").setAttribute("aria-busy", "true");
    try {
      show(await ask());
    } finally {
      busy = false;
      $("shuffle").removeAttribute("aria-busy");
    }
  }

  // --- showing the answer ---

  function kindOf(answer) {
    if (!answer.error) return answer.metadata.backendVersion === "v2" ? "v2" : "v1";
    return /status code 403/.test(answer.error) ? "denied" : "failed";
  }

  const HINTS = {
    denied: {
      title: "The door is closed",
      hint: "A rule does not let the caller in. Look at the intentions; the next request follows them.",
    },
    failed: {
      title: "The backend did not answer",
      hint: "It failed, was too slow, or is not there. The mesh can retry, give up early, or go elsewhere.",
    },
  };

  function show(answer) {
    const kind = kindOf(answer);
    const { metadata } = answer;
    const bird = answer.response;
    $("card").dataset.state = kind;
    const badge = $("version");
    badge.className = `badge ${kind}`;
    badge.textContent = { denied: "refused", failed: metadata.backendVersion ? `${metadata.backendVersion} failed` : "failed" }[kind] ?? kind;
    $("host").textContent = metadata.backendHostname ?? "nobody";
    $("duration").textContent = metadata.backendDuration ?? "–";
    $("status").textContent = metadata.backendStatusCode ?? /status code (\d+)/.exec(answer.error ?? "")?.[1] ?? "–";

    const refused = HINTS[kind];
    $("refusal").hidden = !refused;
    $("extract").hidden = Boolean(refused);
    if (refused) {
      $("name").textContent = "The nest is empty";
      $("refusal-title").textContent = refused.title;
      $("refusal-text").textContent = answer.error;
      $("refusal-hint").textContent = refused.hint;
      picture("/static/nest.svg", "An empty nest on a branch");
    } else {
      $("name").textContent = bird.name;
      $("extract").textContent = bird.extract;
      picture(bird.imageURL, `Drawing of: ${bird.name}`);
    }
    remember(kind, refused ? answer.error : bird.name, metadata.backendDuration);
  }

  function picture(url, alt) {
    const image = $("picture");
    const next = new Image();
    image.classList.add("turning");
    next.onload = next.onerror = () => {
      image.src = url;
      image.alt = alt;
      image.classList.remove("turning");
    };
    next.src = url;
  }

  // --- the strip ---

  function remember(kind, what, duration) {
    history.push({ kind, title: [kind, what, duration].filter(Boolean).join(" · ") });
    if (history.length > LENGTH) history.shift();
    drawStrip();
  }

  function drawStrip() {
    const cells = [];
    for (let i = LENGTH; i > 0; i -= 1) {
      const cell = document.createElement("li");
      const entry = history[history.length - i];
      if (entry) {
        cell.dataset.kind = entry.kind;
        cell.title = entry.title;
        cell.setAttribute("aria-label", entry.title);
      } else {
        cell.setAttribute("aria-hidden", "true");
      }
      cells.push(cell);
    }
    $("strip").replaceChildren(...cells);
    for (const kind of ["v1", "v2", "failed", "denied"]) {
      $(`count-${kind}`).textContent = String(history.filter((entry) => entry.kind === kind).length);
    }
  }

  // --- wiring ---

  function autoShuffle(on) {
    clearInterval(timer);
    timer = on ? setInterval(() => { if (!document.hidden) shuffle(); }, EVERY_MS) : 0;
    settings.write("auto", on ? "1" : "0");
    // A screen reader should not be made to read a new bird every two seconds.
    $("card").setAttribute("aria-live", on ? "off" : "polite");
  }

  $("shuffle").addEventListener("click", shuffle);
  $("auto").addEventListener("change", (event) => {
    autoShuffle(event.target.checked);
    if (event.target.checked) shuffle();
  });
  $("calm").addEventListener("click", () => {
    errorRate.reset();
    delay.reset();
  });
  $("canary-note").hidden = canary !== "true";
  $("auto").checked = settings.read("auto") === "1";
  autoShuffle($("auto").checked);
  drawStrip();
  shuffle();
})();
