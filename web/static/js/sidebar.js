// The sidebar as a drawer on narrow screens: what is behind it can then be neither reached nor read.

export class Sidebar {
  #parts;

  /** `parts` are the elements {sidebar, main, backdrop, open, close}. */
  constructor(parts) {
    this.#parts = parts;
    parts.open.addEventListener("click", () => this.#set(true));
    parts.close.addEventListener("click", () => this.close());
    parts.backdrop.addEventListener("click", () => this.close());
    parts.sidebar.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    matchMedia("(min-width: 860px)").addEventListener("change", () => this.#set(false));
  }

  close() {
    if (!document.body.classList.contains("drawer-open")) return;
    this.#set(false);
    this.#parts.open.focus();
  }

  #set(isOpen) {
    const { main, backdrop, open, close } = this.#parts;
    document.body.classList.toggle("drawer-open", isOpen);
    main.inert = isOpen;
    backdrop.hidden = !isOpen;
    open.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) close.focus();
  }
}
