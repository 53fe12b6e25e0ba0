// What goes over the line, and when: the bytes of this visit and of this month, and a switch that
// makes sending and fetching wait for Wi-Fi. A browser that does not say which line it uses waits
// until "Send now" is pressed. Without this script the page sends and fetches as it goes.
"use strict";
window.lightData = (() => {
  const MONTH = "light-month", VISIT = "light-visit", WIFI = "light-wifi";
  // No browser tells what the headers of its requests weigh: cookies and all about this.
  const HEADERS = 700;
  const line = navigator.connection;
  const tells = Boolean(line && "type" in line);
  const heard = [];
  let visit = 0, month = 0, wifi = false;

  const kept = (store, name) => { try { return JSON.parse(store.getItem(name)); } catch { return null; } };
  const keep = (store, name, value) => { try { store.setItem(name, JSON.stringify(value)); } catch { /* not kept */ } };
  const tell = () => { for (const one of heard) one(); };

  function add(bytes) {
    const name = new Date().toISOString().slice(0, 7);
    const before = kept(localStorage, MONTH);
    visit += bytes;
    month = (before && before.name === name ? before.bytes : 0) + bytes;
    keep(sessionStorage, VISIT, visit);
    keep(localStorage, MONTH, { name, bytes: month });
    tell();
  }

  // What our worker keeps on the phone weighs nothing; what it fetches for the page comes without a weight.
  const weight = (one) => one.transferSize || (one.initiatorType === "fetch" ? one.encodedBodySize : 0);

  function watch() {
    if (!window.PerformanceObserver) return;
    const seen = new PerformanceObserver((list) => {
      const some = list.getEntries().filter(weight);
      if (some.length) add(some.reduce((sum, one) => sum + weight(one) + HEADERS, 0));
    });
    for (const type of ["navigation", "resource"]) seen.observe({ type, buffered: true });
  }

  const isFree = () => tells && (line.type === "wifi" || line.type === "ethernet");

  visit = kept(sessionStorage, VISIT) || 0;
  wifi = kept(localStorage, WIFI) === true;
  add(0);
  watch();
  if (line && line.addEventListener) line.addEventListener("change", tell);
  return {
    tells, add,
    get visit() { return visit; },
    get month() { return month; },
    get onlyWifi() { return wifi; },
    set onlyWifi(on) { wifi = on; keep(localStorage, WIFI, on); tell(); },
    get waits() { return wifi && !isFree(); },
    onchange(work) { heard.push(work); },
  };
})();
