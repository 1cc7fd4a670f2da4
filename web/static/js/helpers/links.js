// Which addresses in a model's text may become links. A pure rule, so that it can be tested without a page.

const SAFE_SCHEMES = new Set(["http:", "https:", "mailto:"]);

/** The address if a person may be sent there, else null: relative, script and data addresses are all refused. */
export function safeHref(text) {
  try {
    const url = new URL(String(text).trim());
    return SAFE_SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}
