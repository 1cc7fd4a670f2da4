// Files dropped anywhere on the page.

/** Call `onFiles(files)` for files dropped on the page; `hint` is shown while they hover over it. */
export function acceptDrops(hint, onFiles) {
  // Entering a child fires before leaving its parent: only the count says whether the pointer is still over the page.
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const move = (event, change) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth += change;
    hint.hidden = depth <= 0;
  };
  document.addEventListener("dragenter", (event) => move(event, 1));
  document.addEventListener("dragleave", (event) => move(event, -1));
  document.addEventListener("dragover", (event) => move(event, 0));
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    hint.hidden = true;
    onFiles([...event.dataTransfer.files]);
  });
}
