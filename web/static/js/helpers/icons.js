// Line icons on a 24 × 24 grid, drawn with the current colour.

import { svg } from "./dom.js";

const SHAPES = {
  plus: ["M12 5v14M5 12h14"],
  send: ["M12 19V5M6 11l6-6 6 6"],
  stop: ["M7 7h10v10H7z"],
  attach: ["M20 11.5l-8.2 8.2a5 5 0 0 1-7.1-7.1l8.6-8.6a3.4 3.4 0 0 1 4.8 4.8l-8.6 8.6a1.7 1.7 0 0 1-2.4-2.4l7.7-7.7"],
  menu: ["M4 7h16M4 12h16M4 17h16"],
  close: ["M6 6l12 12M18 6L6 18"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  cross: ["M7 7l10 10M17 7L7 17"],
  warning: ["M12 4L2.8 19.5h18.4zM12 10v4.5M12 17.2v.1"],
  chevron: ["M9 6l6 6-6 6"],
  down: ["M12 5v14M6 13l6 6 6-6"],
  retry: ["M20 11a8 8 0 1 0-2.3 6.3M20 5v6h-6"],
  trash: ["M4 7h16M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10 10.5v5.5M14 10.5v5.5"],
  copy: ["M9 9h10.5v10.5H9z", "M15 9V4.5H4.5V15H9"],
  table: ["M4 5h16v14H4zM4 10h16M4 14.5h16M10 10v9"],
  document: ["M6 3.5h8l4.5 4.5v12.5H6z", "M14 3.5V8h4.5M9 12.5h6M9 16h6"],
  chart: ["M4 4v16h16M8.5 16v-4M13 16V8M17.5 16v-6"],
  thought: ["M9.5 18h5M10.5 21h3M12 3a6 6 0 0 0-3.5 10.9c.7.5 1 1.2 1 2.1h5c0-.9.3-1.6 1-2.1A6 6 0 0 0 12 3z"],
  tool: [
    "M14.5 6.5a4 4 0 0 1 5-2.5l-2.6 2.6.5 2 2 .5L22 6.5a4 4 0 0 1-5.4 5L8.5 19.6a2.1 2.1 0 0 1-3-3l8.1-8.1a4 4 0 0 1 .9-2z",
  ],
  link: ["M14 5h5v5M19 5l-8 8M17 14v5H5V7h5"],
  sun: [
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  ],
  moon: ["M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z"],
  system: ["M4 5h16v11H4zM9 20h6M12 16v4"],
  spark: ["M12 3l1.9 5.6L19.5 10.5l-5.6 1.9L12 18l-1.9-5.6L4.5 10.5l5.6-1.9z"],
  clock: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z", "M12 7.5V12l3 2"],
  edit: ["M4 20l1-4.5L16 4.5a2.1 2.1 0 0 1 3 0l.5.5a2.1 2.1 0 0 1 0 3L8.5 19zM14 6.5l3.5 3.5"],
  pause: ["M9 6v12M15 6v12"],
  denied: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM6 6l12 12"],
};

/** An icon; hidden from screen readers, since the text beside it says the same. */
export function icon(name, className = "icon") {
  const paths = SHAPES[name].map((d) => svg("path", { d }));
  return svg("svg", { class: className, viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" }, paths);
}
