// Text that grows, and can be cut off again where an event began it. Pure.
//
// It knows where each of its pieces began, as a list linked backwards: adding one costs the same however long the text is,
// and a resumed run can cut off what came after a given event.

/** The part with `text` of event `seq` added; a new part begins with `{text: "", pieces: null}`. */
export function extendText(part, seq, text) {
  return { ...part, text: part.text + text, pieces: { seq, start: part.text.length, earlier: part.pieces } };
}

/** The part without the text of all events after `lastSeq`. */
export function cutText(part, lastSeq) {
  let { text, pieces } = part;
  for (; pieces && pieces.seq > lastSeq; pieces = pieces.earlier) text = text.slice(0, pieces.start);
  return { ...part, text, pieces };
}
