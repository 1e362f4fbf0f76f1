// Follows the jobs that are not done by the service's event streams; when one ends, the page is read again.
"use strict";
const MOST_STREAMS = 4; // a browser has six connections to a host
const numbers = new Intl.NumberFormat("en");
for (const place of [...document.querySelectorAll("[data-events]")].slice(0, MOST_STREAMS)) {
  const bar = place.querySelector("progress");
  const text = place.querySelector(".progress-text");
  const events = new EventSource(place.dataset.events);
  const show = (event) => {
    const job = JSON.parse(event.data);
    const progress = job.progress;
    if (progress === null && (job.status === "success" || job.status === "error")) {
      events.close();
      location.reload();
      return;
    }
    if (progress?.total) {
      bar.max = progress.total;
      bar.value = progress.done;
      text.textContent = `${progress.phase}: ${numbers.format(progress.done)} of ${numbers.format(progress.total)} ${progress.unit ?? ""}`;
    } else {
      bar.removeAttribute("value");
      text.textContent = progress?.phase ?? job.status;
    }
  };
  events.addEventListener("status", show);
  events.addEventListener("progress", show);
  addEventListener("pagehide", () => events.close());
}
