// Buttons that copy a key. Where the browser gives no clipboard (plain HTTP), the key is selected instead.
"use strict";
function offerCopies() {
  for (const button of document.querySelectorAll("button.copy[hidden]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      let done = "Copied";
      try {
        await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      } catch {
        getSelection().selectAllChildren(button.previousElementSibling);
        done = "Selected";
      }
      button.textContent = done;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}
offerCopies();
addEventListener("fresh", offerCopies);
