// Light, dark, or as the system has it. A plain script in the head, so that the page never flashes in the wrong colours.

(() => {
  const KEY = "outloud.theme";
  const CHOICES = ["system", "light", "dark"];

  function read() {
    try {
      const choice = localStorage.getItem(KEY);
      return CHOICES.includes(choice) ? choice : "system";
    } catch {
      return "system";
    }
  }

  function apply(choice) {
    if (choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  }

  window.outloudTheme = {
    read,
    next() {
      const choice = CHOICES[(CHOICES.indexOf(read()) + 1) % CHOICES.length];
      apply(choice);
      try {
        localStorage.setItem(KEY, choice);
      } catch {
        // A browser that stores nothing keeps the choice for this page only.
      }
      return choice;
    },
  };
  apply(read());
})();
