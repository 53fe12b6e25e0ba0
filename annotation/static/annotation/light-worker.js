// Keeps the light page on the phone, so that it opens without a line. Answers are not its
// business: the page keeps them in IndexedDB. KEPT comes from the server, above this.
"use strict";
const FILES = `light-files-${KEPT.version}`;
const PAGES = "light-pages";
const FONTS = "light-fonts";
const PATIENCE_MS = 5000;

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(FILES).then((cache) => cache.addAll(KEPT.shell)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("light-files-") && name !== FILES) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname, search } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (request.headers.get("X-Keep-Page")) {
    event.respondWith(keep(request, pathname));
  } else if (request.mode === "navigate" && pathname.startsWith("/answer/") && !search) {
    event.respondWith(page(request, pathname));
  } else if (pathname.startsWith(KEPT.fonts)) {
    event.respondWith(font(request));
  } else if (KEPT.shell.includes(pathname) || KEPT.asked.includes(pathname)) {
    event.respondWith(caches.match(request, { ignoreSearch: true }).then((kept) => kept || fetch(request)));
  }
});

async function page(request, pathname) {
  const kept = await caches.match(pathname, { cacheName: PAGES });
  const coming = fetch(request);
  if (!kept) return coming;
  const late = new Promise((resolve) => { setTimeout(() => resolve(kept), PATIENCE_MS); });
  const fresh = coming.then((response) => (response.status >= 500 ? kept : response), () => kept);
  return Promise.race([fresh, late]);
}

// Fonts are fetched once, when a text first needs one.
async function font(request) {
  const cache = await caches.open(FONTS);
  const kept = await cache.match(request);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) cache.put(request, response.clone()).catch(() => {});
  return response;
}

// What is kept is the page without a text: texts come from the phone's own store.
async function keep(request, pathname) {
  const response = await fetch(request);
  if (!response.ok || response.redirected) return response;
  try {
    const page = await response.clone().text();
    const files = KEPT.asked.filter((path) => page.includes(path));
    if (files.length) await (await caches.open(FILES)).addAll(files); // few forms need them
    await (await caches.open(PAGES)).put(pathname, response.clone());
  } catch {
    // A full phone shows the page all the same.
  }
  return response;
}
