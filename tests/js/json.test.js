import assert from "node:assert/strict";
import { test } from "node:test";

import { parseArguments, parseExactly, showUnseen, writeVisibly } from "../../web/static/js/helpers/json.js";

test("numbers go out as they came in, however large and however written", () => {
  const text = '{"id":12345678901234567890,"ratio":1.0,"rate":0.1,"many":[9007199254740993,1e3]}';
  assert.equal(JSON.stringify(parseExactly(text)), text);
});

test("ordinary numbers are numbers", () => {
  assert.deepEqual(parseExactly('{"a":1,"b":[-2.5,0]}'), { a: 1, b: [-2.5, 0] });
});

test("arguments are an object", () => {
  assert.deepEqual(parseArguments('{ "name": "a" }'), { name: "a" });
  for (const text of ["[1]", "null", '"text"', "12345678901234567890"]) {
    assert.throws(() => parseArguments(text), /must be a JSON object/);
  }
});

test("text that is not JSON is refused with the parser's reason", () => {
  assert.throws(() => parseArguments("{ name: 1 }"), /^Error: This is not JSON: \S+/);
});

test("characters that would deceive the eye are shown as escapes", () => {
  assert.equal(showUnseen("gpj.\u202etxt\u200b\u0007"), "gpj.\\u202etxt\\u200b\\u0007");
  assert.equal(showUnseen("two\nlines\tand naïve 漢字"), "two\nlines\tand naïve 漢字");
});

test("escapes in a text box mean what was there", () => {
  const value = { name: "gpj.\u202etxt", flag: "\u{e0067}" };
  assert.match(writeVisibly(value), /\\u202e.*\n.*\\udb40\\udc67/);
  assert.deepEqual(parseArguments(writeVisibly(value)), value);
});
