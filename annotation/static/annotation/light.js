// The light page with a line or without one. An answer is written to this phone before the next
// text shows, and sent when there is a line; the server knows each by its number, so sending it
// twice changes nothing. Without this script the page is a plain form that does the same.
"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const config = JSON.parse(find("config").textContent);
  const words = JSON.parse(find("words").textContent);
  const form = find("answer");
  const asked = form.querySelector("[name=item]");
  const place = location.pathname;
  const LOW = 8, BATCH = 25, AHEAD = 200, AT_ONCE = 10, REMEMBERED = 20;
  const PATIENCE_MS = 20000, SOONEST_MS = 2000, LATEST_MS = 300000, LONGEST_LOOK_MS = 3600000;
  const saving = Boolean(navigator.connection && navigator.connection.saveData);
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("light") : null;
  const data = window.lightData || null;
  const waits = () => Boolean(data && data.waits);

  let db, current = null, editing = null, busy = false, shownAt = 0, turn = Promise.resolve();
  let sending = false, fetching = false, tries = 0, away = false, failures = 0, timer = 0, blocked = "", lastTried = 0;

  // What lies on this phone

  const got = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

  function open() {
    const request = indexedDB.open("light", 1);
    request.onupgradeneeded = () => {
      const texts = request.result.createObjectStore("texts", { keyPath: "key" });
      texts.createIndex("mine", ["person", "place"]);
      const answers = request.result.createObjectStore("answers", { keyPath: "uid" });
      answers.createIndex("key", "key");
    };
    return got(request);
  }

  function inOne(mode, work) {
    return new Promise((resolve, reject) => {
      const step = db.transaction(["texts", "answers"], mode, { durability: "strict" });
      let result;
      step.oncomplete = () => resolve(result);
      step.onabort = step.onerror = () => reject(step.error || new Error("aborted"));
      work(step.objectStore("texts"), step.objectStore("answers")).then((made) => { result = made; }, (error) => {
        reject(error);
        try { step.abort(); } catch { /* it is over already */ }
      });
    });
  }

  const keyOf = (item) => `${config.person} ${place} ${item}`;
  const bySeq = (a, b) => a.seq - b.seq;
  const isMine = (one) => one.person === config.person;
  const isHere = (one) => isMine(one) && one.place === place;

  const look = () => inOne("readonly", async (texts, answers) => {
    const all = (await got(answers.getAll())).sort(bySeq);
    const done = new Set(all.filter((one) => !one.take_back).map((one) => one.key));
    const here = await got(texts.index("mine").getAll([config.person, place]));
    return { all, texts: here.filter((one) => !done.has(one.key)).sort((a, b) => a.order - b.order) };
  });

  function newNumber() {
    if (crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 15) | 64;
    bytes[8] = (bytes[8] & 63) | 128;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  // Answers that are more than one label: every field named a.…, whatever the kind of question

  function fields() {
    const found = {};
    for (const [name, value] of new FormData(form)) {
      if (name.startsWith("a.")) (found[name.slice(2)] ||= []).push(String(value));
    }
    return found;
  }

  function fill(given) {
    const left = Object.fromEntries(Object.entries(given || {}).map(([name, values]) => [name, [...values]]));
    for (const field of form.elements) {
      if (!field.name.startsWith("a.")) continue;
      const values = left[field.name.slice(2)] || [];
      if (["checkbox", "radio"].includes(field.type)) field.checked = values.includes(field.value);
      else field.value = values.shift() || "";
    }
    form.dispatchEvent(new CustomEvent("answer:shown"));
  }

  // What is seen

  function say(text, kind = "") {
    const box = find("say");
    box.textContent = text;
    box.className = `note ${kind}`;
    box.hidden = !text;
  }

  function show(text, record = null) {
    const fresh = !current || current.key !== text.key || Boolean(editing) !== Boolean(record);
    current = text;
    editing = record;
    find("task").hidden = false;
    find("empty").hidden = true;
    find("text").textContent = text.text;
    asked.value = text.item;
    find("changing").hidden = !record;
    if (!fresh) return;
    form.elements.note.value = record ? record.note : "";
    fill(record && record.fields);
    find("flags").open = Boolean(record && record.flag);
    const chosen = record && (record.flag ? `flag:${record.flag}` : `label:${record.label}`);
    for (const button of form.querySelectorAll("button[name=answer]")) {
      if (button.value === chosen) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    if (record) say(words.changing);
    shownAt = performance.now();
    find("text").scrollTop = 0;
    find("text").focus({ preventScroll: true });
    if (window.scrollY > 0) window.scrollTo(0, 0);
  }

  function showNone() {
    current = editing = null;
    find("task").hidden = true;
    const empty = find("empty");
    if (!navigator.onLine) empty.textContent = words.empty_offline;
    empty.hidden = false;
  }

  async function refresh({ next = false } = {}) {
    const { all, texts } = await look();
    const there = current && texts.some((one) => one.key === current.key);
    if (!editing && (next || !there)) {
      if (texts.length) show(texts[0]);
      else showNone();
    }
    state(all, texts.length);
    if (texts.length > LOW) return;
    fetchMore();
    if (!texts.length) setTimeout(fetchMore, SOONEST_MS);
  }

  function state(all, ahead) {
    const mine = all.filter(isMine);
    const waiting = mine.filter((one) => one.state === "waiting").length;
    const others = all.filter((one) => !isMine(one) && one.state === "waiting").length;
    const box = find("state");
    const count = words.waiting.replace("{n}", waiting);
    const told = waiting ? `${count} · ${words.kept}` : (mine.some((one) => one.state === "sent") ? words.sent : "");
    if (box.textContent !== told) box.textContent = told;
    box.classList.toggle("waiting", waiting > 0);
    find("undo").hidden = Boolean(editing) || !before(all, Infinity);
    find("ahead").textContent = words.more.replace("{n}", ahead);
    find("ahead").hidden = false;
    find("now").hidden = !waits() || !(waiting || ahead <= LOW);
    if (!editing) {
      if (blocked) say(words[blocked], "warning");
      else if (!navigator.onLine || away) say(words.offline);
      else if (failures > 2) say(words.trouble, "warning");
      else if (waits() && (waiting || !ahead)) say(data.tells ? words.metered : words.unsure, "warning");
      else if (others) say(words.others.replace("{n}", others), "warning");
      else if (!find("say").classList.contains("error")) say("");
    }
    refusals(mine.filter((one) => one.state === "refused"));
  }

  function refusals(refused) {
    const list = find("refused").querySelector("ul");
    const shape = find("refused").querySelector("template");
    list.replaceChildren(...refused.map((one) => {
      const row = shape.content.cloneNode(true);
      row.querySelector(".sample").textContent = one.text;
      row.querySelector(".why").textContent = one.detail || one.reason;
      row.querySelector(".again").onclick = () => change(one);
      row.querySelector(".again").hidden = one.place !== place;
      row.querySelector(".aside").onclick = () => inOne("readwrite", (texts, answers) => got(answers.delete(one.uid))).then(() => refresh());
      return row;
    }));
    find("refused").hidden = !refused.length;
  }

  // Answering

  // Keys come faster than a phone writes: each waits until what was asked before it is done.
  const inTurn = (work) => { turn = turn.then(work).catch((error) => console.warn("light:", error && error.name)); };

  const same = (one, other) => JSON.stringify(one || null) === JSON.stringify(other || null);

  function give(said) {
    if (busy) return; // the second half of a double press was meant for the text before
    busy = true;
    inTurn(() => answerWith(said));
  }

  async function answerWith(said) {
    if (!current) { busy = false; return; }
    const text = current, old = editing;
    let second = false;
    const looked = Math.min(performance.now() - shownAt, LONGEST_LOOK_MS) / 1000;
    const record = {
      uid: old ? old.uid : newNumber(), key: text.key, person: config.person, place, item: text.item, text: text.text,
      label: said.label || "", fields: said.fields || null, flag: said.flag || "", note: said.take_back ? "" : form.elements.note.value,
      take_back: Boolean(said.take_back), edit: 0, state: "waiting", seq: 0, reason: "", detail: "",
      given_at: new Date().toISOString(), lead_seconds: Math.round(looked * 10) / 10, guideline_version: config.guideline,
    };
    try {
      await inOne("readwrite", async (texts, answers) => {
        const all = await got(answers.getAll());
        const twin = !old && all.find((one) => one.key === record.key && one.uid !== record.uid && !one.take_back);
        if (twin) { // another tab was quicker: what was chosen here is a change of that, if it is one
          if (twin.label === record.label && same(twin.fields, record.fields) && twin.flag === record.flag && (!record.note || twin.note === record.note)) return;
          Object.assign(record, { uid: twin.uid, note: record.note || twin.note });
          second = true;
        }
        const held = all.find((one) => one.uid === record.uid) || old;
        record.edit = held ? held.edit + 1 : 0;
        record.seq = held ? held.seq : all.reduce((most, one) => Math.max(most, one.seq), 0) + 1;
        answers.put(record);
        if (record.take_back) texts.put({ ...text, order: text.order + 1e6 });
        else texts.delete(text.key);
      });
    } catch (error) {
      busy = false;
      couldNotKeep(record, error);
      return;
    }
    busy = false;
    editing = null;
    say("");
    if (channel) channel.postMessage("changed");
    if (second) change(record); // it is kept, and shown once more: two windows said two things
    await refresh({ next: !second });
    soon();
  }

  async function couldNotKeep(record, error) {
    console.warn("light:", error && error.name);
    const reply = navigator.onLine ? await post(config.answers, { person: config.person, answers: [told(record)] }) : null;
    const receipt = reply && reply.body && (reply.body.receipts || [])[0];
    say(words.full, "error");
    if (!receipt || receipt.outcome === "refused") return;
    say("");
    editing = null;
    inOne("readwrite", (texts) => got(texts.delete(record.key))).catch(() => {}).then(() => refresh({ next: true }));
  }

  const before = (all, seq) => all.filter((one) => isHere(one) && one.seq < seq && !one.take_back && one.state !== "refused").pop();

  async function undo() {
    const { all } = await look();
    const record = before(all, editing ? editing.seq : Infinity);
    if (record) change(record);
  }

  function change(record) {
    const order = current && current.key === record.key ? current.order : 0;
    show({ key: record.key, person: record.person, place, item: record.item, text: record.text, order }, record);
    find("undo").hidden = true;
  }

  async function keep() {
    if (!editing) return;
    editing = null;
    say("");
    await refresh({ next: true });
  }

  // Sending and fetching

  function cookie(name) {
    const found = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
    return found ? decodeURIComponent(found.slice(name.length + 1)) : "";
  }

  async function post(address, body) {
    const stop = new AbortController();
    const sent = JSON.stringify(body);
    if (data) data.add(new Blob([sent]).size);
    const late = setTimeout(() => stop.abort(), PATIENCE_MS);
    try {
      const reply = await fetch(address, {
        method: "POST", signal: stop.signal, credentials: "same-origin", body: sent,
        headers: { "Content-Type": "application/json", "X-CSRFToken": cookie(config.cookie) },
      });
      return { status: reply.status, body: await reply.json().catch(() => null) };
    } catch {
      return null;
    } finally {
      clearTimeout(late);
    }
  }

  // True if the server is at fault or out of reach, or does not know us: then all waits.
  function isRefused(reply) {
    if (reply && reply.status === 403 && !reply.body) {
      // Our cookie against forged forms is gone, after a crash for instance: fetch another.
      failures += 1;
      fetch(place, { headers: { "X-Keep-Page": "yes" } }).catch(() => {}).then(later);
      return true;
    }
    if (reply && [401, 403, 410].includes(reply.status)) {
      blocked = words[(reply.body || {}).code] ? reply.body.code : "signed_out";
      return true;
    }
    if (reply && reply.status === 409) reload("person");
    away = !reply;
    if (!reply || !reply.body || reply.status >= 500 || reply.status === 409 || reply.status === 429) {
      failures += 1;
      later();
      return true;
    }
    blocked = "";
    return false;
  }

  function later() {
    clearTimeout(timer);
    const pause = Math.min(LATEST_MS, SOONEST_MS * 2 ** failures) * (0.5 + Math.random() / 2);
    timer = setTimeout(send, pause);
  }

  function soon() {
    clearTimeout(timer);
    timer = setTimeout(() => send({ all: !saving }), failures ? Math.min(LATEST_MS, SOONEST_MS * 2 ** failures) : 400);
  }

  const told = ({ uid, item, label, fields: given, flag, note, take_back, edit, given_at, lead_seconds, guideline_version }) => (
    { uid, item, label, ...(given && { fields: given }), flag, note, take_back, edit, given_at, lead_seconds, guideline_version });

  async function send({ all: everything = true, now = false } = {}) {
    if (sending || !navigator.onLine || (waits() && !now)) return;
    sending = true;
    const work = () => sendAll(everything).catch(() => { failures += 1; later(); });
    try {
      if (navigator.locks) await navigator.locks.request("light-sending", { ifAvailable: true }, (lock) => (lock ? work() : later()));
      else await work();
    } finally {
      sending = false;
    }
    await refresh();
  }

  async function sendAll(everything) {
    for (;;) {
      const { all } = await look();
      const waiting = all.filter((one) => isMine(one) && one.state === "waiting");
      if (!waiting.length) return;
      if (saving && !everything && waiting.length < 5) return;
      const some = waiting.filter((one) => one.place === waiting[0].place).slice(0, AT_ONCE);
      const reply = await post(`${some[0].place}answers/`, { person: config.person, answers: some.map(told) });
      if (isRefused(reply)) return;
      const settled = await settle(some, reply.body.receipts || []);
      if (channel) channel.postMessage("changed");
      if (!settled) throw new Error("nothing was acknowledged");
      failures = 0;
      state((await look()).all, (await look()).texts.length);
    }
  }

  const settle = (some, receipts) => inOne("readwrite", async (texts, answers) => {
    let settled = 0;
    for (const receipt of receipts) {
      const sent = some.find((one) => one.uid === receipt.uid);
      const held = sent && await got(answers.get(sent.uid));
      if (!held || !receipt.outcome) continue;
      settled += 1;
      if (held.edit !== sent.edit) continue; // changed meanwhile: that change still waits
      const refused = receipt.outcome === "refused";
      answers.put({ ...held, state: refused ? "refused" : "sent", reason: receipt.reason, detail: receipt.detail });
    }
    return settled;
  });

  // What was sent long ago is forgotten, but for the last few, which may still be changed.
  const forget = () => inOne("readwrite", async (texts, answers) => {
    const sent = (await got(answers.getAll())).filter((one) => isHere(one) && one.state === "sent").sort(bySeq);
    for (const one of sent.slice(0, -REMEMBERED)) answers.delete(one.uid);
  });

  async function fetchMore(most = BATCH, { asked: isAsked = most !== BATCH } = {}) {
    const now = performance.now();
    if (fetching || !navigator.onLine || blocked) return;
    if (!isAsked && (waits() || (lastTried && now - lastTried < SOONEST_MS))) return;
    fetching = true;
    lastTried = now;
    let more = false;
    try {
      await forget();
      const reply = await post(config.batch, { most });
      if (isRefused(reply) || reply.status !== 200) return;
      failures = 0;
      if (reply.body.person !== config.person) return void reload("person");
      await merge(reply.body.items);
      more = reply.body.more;
      if (reply.body.shell !== config.shell) return void reload(reply.body.shell);
    } catch (error) {
      console.warn("light:", error && error.name); // no room for more texts, most likely
      return;
    } finally {
      fetching = false;
    }
    const { all, texts } = await look();
    if (texts.length && !current) show(texts[0]);
    state(all, texts.length);
    comeBack(more, most, texts.length);
  }

  // What lies at the desk is there in a moment, when it has said that it keeps it.
  function comeBack(more, most, held) {
    const empty = find("empty");
    if (!held && more) empty.textContent = words.coming;
    else if (empty.textContent.trim() === words.coming) empty.textContent = words.empty;
    if (!more || (held && (most === BATCH || tries > 5))) {
      tries = 0;
      return;
    }
    setTimeout(() => { lastTried = 0; fetchMore(most); }, 700 * 2 ** Math.min(tries, 5));
    tries += 1;
  }

  const merge = (items) => inOne("readwrite", async (texts, answers) => {
    const listed = new Set(items.map((one) => keyOf(one.item)));
    const done = new Set((await got(answers.getAll())).filter((one) => !one.take_back).map((one) => one.key));
    const here = await got(texts.index("mine").getAll([config.person, place]));
    const known = new Map(here.map((one) => [one.key, one]));
    for (const one of here) if (!listed.has(one.key) && !(current && current.key === one.key)) texts.delete(one.key);
    items.forEach(({ item, text }, order) => {
      const key = keyOf(item);
      const past = known.get(key);
      if (!done.has(key)) texts.put({ key, person: config.person, place, item, text, order: past && past.order >= 1e6 ? past.order : order });
    });
  });

  // Once a cause: a page that cannot be had anew must not be asked for for ever.
  function reload(cause) {
    try {
      if (sessionStorage.getItem("light-reload") === cause) return;
      sessionStorage.setItem("light-reload", cause);
    } catch { return; }
    location.reload();
  }

  // Hands

  form.addEventListener("submit", (event) => {
    // The plain form does it, and so it does what leads to another page.
    if (!db || event.submitter?.hasAttribute("formaction")) return;
    event.preventDefault();
    const value = event.submitter ? event.submitter.value : "";
    if (!value) return;
    const [kind, ...rest] = value.split(":");
    if (kind === "form") give({ fields: fields() });
    else give(kind === "take_back" ? { take_back: true } : { [kind]: rest.join(":") });
  });

  form.addEventListener("click", (event) => {
    // The second half of a double tap was meant for the text before.
    if (db && event.detail > 1 && !editing && event.target.closest("button[name=answer]")) event.preventDefault();
  });

  // A line break in the note must not choose the first answer.
  form.elements.note.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });

  const keysAreOn = () => find("keys").checked;

  function onKey(event) {
    if (!db || event.repeat || event.ctrlKey || event.metaKey || event.altKey || !keysAreOn()) return;
    if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
    const plain = /^[\x21-\x7e]$/.test(event.key) && !/^Digit/.test(event.code);
    const key = plain ? event.key.toLowerCase() : event.code.replace(/^(Key|Digit|Numpad)/, "").toLowerCase();
    if (event.key === "Escape") return inTurn(keep);
    if (key === "z") return inTurn(undo);
    const save = form.querySelector("button.save");
    const button = event.key === "Enter" ? !event.target.closest("button, a, summary, .sample *") && save
      : key && [...form.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (!button || !current) return;
    event.preventDefault();
    if (button.type === "checkbox") button.click();
    else form.requestSubmit(button);
  }

  function hands() {
    document.addEventListener("keydown", onKey);
    find("undo").onclick = () => inTurn(undo);
    find("keep").onclick = (event) => { event.preventDefault(); inTurn(keep); };
    find("along").hidden = false;
    find("along").onclick = () => fetchMore(AHEAD);
    find("now").onclick = async () => { failures = 0; await send({ now: true }); fetchMore(BATCH, { asked: true }); };
    if (data) weigh();
    find("keyswitch").hidden = !matchMedia("(hover: hover)").matches;
    try { find("keys").checked = localStorage.getItem("light-keys") !== "off"; } catch { /* not kept */ }
    const shown = () => document.body.classList.toggle("no-keys", !keysAreOn());
    find("keys").onchange = () => { shown(); try { localStorage.setItem("light-keys", keysAreOn() ? "on" : "off"); } catch { /* not kept */ } };
    shown();
    if (channel) channel.onmessage = () => refresh();
    addEventListener("online", () => { failures = 0; lastTried = 0; send(); refresh(); });
    addEventListener("offline", () => refresh());
    addEventListener("pageshow", () => send());
    setInterval(() => { if (!current && document.visibilityState === "visible") refresh(); }, 30 * SOONEST_MS);
    document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") { blocked = ""; lastTried = 0; send(); } else if (saving) send(); });
  }

  // What a line costs: how much went over it, and whether to wait for a better one.
  function weigh() {
    const size = (bytes) => {
      const [unit, one, digits] = bytes < 1e6 ? ["kilobyte", 1e3, 0] : ["megabyte", 1e6, 1];
      return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, maximumFractionDigits: digits }).format(bytes / one);
    };
    const shown = () => {
      find("weight").textContent = words.weight.replace("{visit}", size(data.visit)).replace("{month}", size(data.month));
    };
    let waited = waits();
    data.onchange(() => {
      shown();
      if (waits() === waited) return;
      waited = !waited;
      failures = lastTried = 0;
      send();
      refresh();
    });
    shown();
    find("weight").hidden = find("wifiswitch").hidden = false;
    find("untold").hidden = data.tells;
    find("wifi").checked = data.onlyWifi;
    find("wifi").onchange = () => { data.onlyWifi = find("wifi").checked; };
  }

  async function keepPage() {
    if (!("serviceWorker" in navigator) || (waits() && navigator.serviceWorker.controller)) return;
    await navigator.serviceWorker.register(config.worker);
    await navigator.serviceWorker.ready;
    if (!navigator.serviceWorker.controller) await new Promise((resolve) => { navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }); });
    await fetch(place, { headers: { "X-Keep-Page": "yes" } });
  }

  async function start() {
    if (new URLSearchParams(location.search).has("change")) return; // as a plain form
    try {
      db = await open();
      await look();
    } catch {
      db = null; // a browser that keeps nothing: the plain form still works
      return;
    }
    db.onversionchange = () => db.close();
    hands();
    const first = asked.value;
    const { all } = await look();
    if (first && !find("task").hidden && !all.some((one) => one.key === keyOf(first) && !one.take_back)) {
      const key = keyOf(first);
      await inOne("readwrite", async (texts) => {
        if (!await got(texts.get(key))) texts.put({ key, person: config.person, place, item: first, text: find("text").textContent, order: -1 });
      }).catch(() => {});
    }
    await refresh({ next: true });
    if (find("done")) find("done").hidden = true;
    document.body.dataset.ready = "yes";
    // A font comes when there is something to read already.
    if (find("fonts")) find("fonts").media = "all";
    fetchMore();
    send();
    if (navigator.storage && navigator.storage.persist) navigator.storage.persist().catch(() => {});
    keepPage().catch(() => {});
  }

  start();
})();
