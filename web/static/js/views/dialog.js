// A question that must be answered before something is lost for good.

/** Ask; resolves to true when the person agreed. `dialog` is the page's dialog element. */
export function confirmIn(dialog, { title, text, action }) {
  dialog.querySelector("[data-title]").textContent = title;
  dialog.querySelector("[data-text]").textContent = text;
  dialog.querySelector("[data-action]").textContent = action;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}
