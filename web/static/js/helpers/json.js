// JSON as a person must see it: numbers as they were written, and nothing that looks like something else.

/** Parse JSON; numbers that this language would round are kept as they are written, where the browser can do that. */
export function parseExactly(text) {
  return JSON.parse(text, (_, value, context) => {
    if (typeof value !== "number" || !context?.source || !JSON.rawJSON) return value;
    return String(value) === context.source ? value : JSON.rawJSON(context.source);
  });
}

/** Parse arguments that a person has written; throws an Error that says what is wrong with them. */
export function parseArguments(text) {
  let value;
  try {
    value = parseExactly(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`, { cause: error });
  }
  if (isObject(value)) return value;
  throw new Error("The arguments must be a JSON object: names and values in braces.");
}

/** JSON for a text box; characters that cannot be seen are written as escapes, which means the same. */
export function writeVisibly(value) {
  return JSON.stringify(value, null, 2).replace(UNSEEN, (character) => escapeUnits(character));
}

/** Text with its invisible characters and those that turn the direction of writing shown as escapes. */
export function showUnseen(text) {
  return text.replace(UNSEEN, (character) => escapeUnits(character));
}

// Control and format characters, but not the tab and the line breaks.
const UNSEEN = /[\p{Cf}\p{Co}\p{Zl}\p{Zp}]|[^\P{Cc}\t\n\r]/gu;

function escapeUnits(character) {
  return Array.from({ length: character.length }, (_, at) => {
    return `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`;
  }).join("");
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !JSON.isRawJSON?.(value);
}
