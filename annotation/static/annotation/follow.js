// Ringing in this browser, where it can; the page is whole without it.
const box = document.querySelector("[data-ring]");
const { key, worker } = box.dataset;
const button = box.querySelector("button");
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

async function say(act, subscription) {
  const told = subscription.toJSON();
  const form = new FormData(box.querySelector("form"));
  form.set("act", act);
  form.set("endpoint", told.endpoint);
  form.set("p256dh", told.keys.p256dh);
  form.set("auth", told.keys.auth);
  const answer = await fetch(location.pathname, { method: "POST", body: form });
  if (!answer.ok) throw new Error(String(answer.status));
  location.assign(location.pathname);
}

async function begin() {
  const there = await navigator.serviceWorker.register(worker);
  const old = await there.pushManager.getSubscription();
  const ringing = old && box.dataset.digests.split(" ").includes(await mark(old.endpoint));
  button.textContent = ringing ? box.dataset.off : box.dataset.on;
  box.hidden = false;
  button.addEventListener("click", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      if (ringing) return await say("unring", old);
      if ((await Notification.requestPermission()) !== "granted") throw new Error("denied");
      const wanted = { userVisibleOnly: true, applicationServerKey: bytes(key) };
      await say("ring", old ?? (await there.pushManager.subscribe(wanted)));
    } catch {
      box.querySelector("[role=status]").textContent = box.dataset.failed;
      button.disabled = false;
    }
  });
}

async function mark(text) {
  const told = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(told)].map((one) => one.toString(16).padStart(2, "0")).join("");
}

if (navigator.serviceWorker && window.PushManager && window.Notification) begin().catch(() => {});

// The clock of whoever fills this in, where they have not said otherwise.
const clock = document.querySelector("select[name=offset]");
const own = String(-new Date().getTimezoneOffset());
if (clock && !clock.value && [...clock.options].some((one) => one.value === own)) clock.value = own;
