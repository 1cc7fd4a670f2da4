import assert from "node:assert/strict";
import { test } from "node:test";

import { safeHref } from "../../web/static/js/helpers/links.js";
import { blocksOf, htmlOf } from "../../web/static/js/helpers/markdown.js";

const html = (text) => blocksOf(text).map(htmlOf).join("");

const tagsOf = (text) => [...html(text).matchAll(/<\/?([a-z0-9]+)/gi)].map(([, tag]) => tag.toLowerCase());

for (const address of [
  "https://example.org/a?b=c",
  "http://example.org",
  "mailto:someone@example.org",
  "  https://example.org  ",
]) {
  test(`a link to ${JSON.stringify(address)} is allowed`, () => assert.notEqual(safeHref(address), null));
}

const refused = [
  [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "\u0001javascript:alert(1)",
  ],
  [
    "data:text/html,<script>1</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://example.org/x",
    "/relative",
    "#id",
    "",
    null,
  ],
].flat();

for (const address of refused) {
  test(`a link to ${JSON.stringify(address)} is refused`, () => assert.equal(safeHref(address), null));
}

const HOSTILE = [
  "<img src=x onerror=alert(1)>",
  "<script>alert(1)</script>",
  "text <b onmouseover=alert(1)>bold</b> text",
  "<iframe src='javascript:alert(1)'></iframe>",
  "<style>body{display:none}</style>",
  "<svg><script>alert(1)</script></svg>",
  "<form action=https://attacker.example><input name=password></form>",
  "<a href='https://example.org' onclick='alert(1)'>x</a>",
  "<!-- comment --><details open ontoggle=alert(1)>",
  "`code`<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
];

for (const text of HOSTILE) {
  test(`markup is shown as text: ${text}`, () => {
    const allowed = new Set(["p", "code", "br", "strong", "em"]);
    assert.deepEqual(
      tagsOf(text).filter((tag) => !allowed.has(tag)),
      [],
    );
    assert.match(html(text), /&lt;/);
  });
}

test("a script address never becomes a link, its words stay", () => {
  const made = html("[press](javascript:alert%281%29) and <javascript:alert(1)>");
  assert.ok(!made.includes("<a"));
  assert.match(made, /press/);
});

test("a quote in an address does not end the attribute", () => {
  assert.match(
    html('[x](https://example.org/"onmouseover="alert`1`)'),
    /href="https:\/\/example.org\/%22onmouseover=%22alert`?%?6?0?1/,
  );
});

test("a picture becomes a link to it, so that the page loads nothing from elsewhere", () => {
  assert.equal(
    html("![a chart](https://example.org/c.png)").trim(),
    '<p><a href="https://example.org/c.png">a chart</a></p>',
  );
  assert.ok(!html("![x](data:image/svg+xml,<svg onload=alert(1)>)").includes("<svg"));
});

test("code is shown as it was written, and a fence's language cannot break out", () => {
  assert.match(html("```html\n<b>&amp;</b>\n```"), /&lt;b&gt;&amp;amp;&lt;\/b&gt;/);
  assert.match(html('```"><script>\nx\n```'), /data-language=""/);
});

test("a line break inside a table cell is the one tag that is kept", () => {
  assert.match(html("| a |\n|---|\n| one<br>two |"), /one<br>two/);
});

test("growing text keeps its finished blocks, so that they need not be made again", () => {
  const before = blocksOf("# Title\n\nFirst paragraph.\n\nSecond para").map(({ raw }) => raw);
  const after = blocksOf("# Title\n\nFirst paragraph.\n\nSecond paragraph is longer.\n\nThird").map(({ raw }) => raw);
  assert.deepEqual(after.slice(0, 2), before.slice(0, 2));
});
