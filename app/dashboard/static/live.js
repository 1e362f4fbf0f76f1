// Keeps true what a page says of jobs that are under way: reads the page anew and changes just what differs in its parts
// `data-live`, so that focus, what is open and what was typed stay. It asks for one thing at a time, and for nothing while the page is
// hidden: a browser has six connections to a host for all its tabs, which streams would soon take up.
// It comes before the other scripts, since it has to know the page as it was sent.
"use strict";
const SOONEST_MS = 1000;
const LATEST_MS = 8000;
const parts = (page) => [...page.querySelectorAll("[data-live]")];
const stale = document.getElementById("stale");
let known = parts(document).map((part) => part.cloneNode(true));

function update(shown, was, is) {
  if (was.isEqualNode(is)) return;
  const children = [...shown.childNodes];
  if (was.nodeName !== is.nodeName || !(is instanceof Element)
      || children.length !== was.childNodes.length || children.length !== is.childNodes.length) {
    shown.replaceWith(is.cloneNode(true));
    return;
  }
  for (const { name } of was.attributes) if (!is.hasAttribute(name)) shown.removeAttribute(name);
  for (const { name, value } of is.attributes) if (was.getAttribute(name) !== value) shown.setAttribute(name, value);
  children.forEach((child, place) => update(child, was.childNodes[place], is.childNodes[place]));
}

async function look() {
  const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(LATEST_MS) });
  const fresh = parts(new DOMParser().parseFromString(await answer.text(), "text/html"));
  // Whoever is not signed in any more is given another page, which has no such parts.
  if (!answer.ok || fresh.length !== known.length) throw new Error(`${answer.status} of another page`);
  const changed = fresh.some((part, place) => !part.isEqualNode(known[place]));
  if (changed) {
    parts(document).forEach((part, place) => update(part, known[place], fresh[place]));
    known = fresh;
    dispatchEvent(new Event("fresh"));
  }
  return changed;
}

async function follow() {
  let wait = SOONEST_MS;
  while (parts(document).some((part) => part.querySelector("progress"))) {
    await new Promise((resolve) => { setTimeout(resolve, wait); });
    if (document.hidden) await new Promise((resolve) => { document.addEventListener("visibilitychange", resolve, { once: true }); });
    let changed = false;
    try {
      changed = await look();
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
    wait = changed ? SOONEST_MS : Math.min(2 * wait, LATEST_MS);
  }
}
follow();
