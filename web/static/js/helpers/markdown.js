// A model's Markdown to nodes. Three walls against hostile text: raw HTML is shown as text, links pass `safeHref`, and the
// result goes through DOMPurify with a short list of what is allowed.

import DOMPurify from "../../vendor/dompurify-3.4.18.js";
import { Marked } from "../../vendor/marked-18.2.1.js";
import { safeHref } from "./links.js";

const ALLOWED = {
  ALLOWED_TAGS: [
    ..."p br hr h1 h2 h3 h4 h5 h6 strong em del code pre blockquote ul ol li a input".split(" "),
    ..."table thead tbody tr th td".split(" "),
  ],
  ALLOWED_ATTR: ["href", "title", "start", "align", "type", "checked", "disabled", "data-language"],
  // Of the attributes only `href` is an address; the pattern for addresses would strip the others.
  ADD_URI_SAFE_ATTR: ["title", "start", "align", "type", "checked", "disabled", "data-language"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

const marked = new Marked({ gfm: true, breaks: false });

marked.use({
  renderer: {
    html: ({ text, block }) => showHtml(text, block),
    link({ href, title, tokens }) {
      const text = this.parser.parseInline(tokens);
      const address = safeHref(href);
      return address === null ? text : anchor(address, title, text);
    },
    // The page loads nothing from other hosts: a picture would tell its host who reads what.
    image({ href, title, text }) {
      const address = safeHref(href);
      return address === null ? escapeHtml(text) : anchor(address, title, escapeHtml(text || address));
    },
    code: ({ text, lang }) => {
      const language = /^[\w+#.-]{1,20}/.exec(lang ?? "")?.[0] ?? "";
      return `<pre data-language="${escapeHtml(language)}"><code>${escapeHtml(text)}\n</code></pre>`;
    },
  },
});

/** Cut Markdown into its top-level blocks; each has `raw`, and is rendered alone by `renderBlock`. */
export function blocksOf(text) {
  return marked.lexer(text).filter((token) => token.type !== "space" && token.type !== "def");
}

/** HTML of one block: escaped, not yet sanitised. Only `renderBlock` and tests call this. */
export function htmlOf(block) {
  return marked.parser([block]);
}

/** Sanitised nodes of one block. */
export function renderBlock(block) {
  const fragment = DOMPurify.sanitize(htmlOf(block), ALLOWED);
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  for (const box of fragment.querySelectorAll("input")) {
    if (box.type === "checkbox") box.disabled = true;
    else box.remove();
  }
  return fragment;
}

// A line break is the one tag that models need, inside table cells; every other tag is shown as the text that it is.
function showHtml(text, block) {
  if (/^<br\s*\/?>$/i.test(text.trim())) return "<br>";
  return block ? `<p>${escapeHtml(text)}</p>` : escapeHtml(text);
}

function anchor(address, title, html) {
  return `<a href="${escapeHtml(address)}"${title ? ` title="${escapeHtml(title)}"` : ""}>${html}</a>`;
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function escapeHtml(text) {
  return String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);
}
