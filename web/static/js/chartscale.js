// Where the numbers of a chart go: ticks, scales and slices. Pure arithmetic.

/** Round tick values that cover `low` to `high`, about `wanted` of them. */
export function ticksOf(low, high, wanted = 5) {
  if (low === high) [low, high] = low === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)];
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** A function from values `low`…`high` to positions `from`…`to`. */
export function scale(low, high, from, to) {
  const factor = high === low ? 0 : (to - from) / (high - low);
  return (value) => from + (value - low) * factor;
}

/** All finite numbers of a chart's series. */
export function valuesOf(series) {
  return series.flatMap(({ values }) => values.filter(Number.isFinite));
}

/** Shares of a whole as `{index, from, to}` in turns, 0 to 1; what is not above zero has no slice. */
export function slicesOf(values) {
  const total = values.reduce((sum, value) => sum + (value > 0 ? value : 0), 0);
  let turn = 0;
  return values.flatMap((value, index) => {
    if (!(value > 0)) return [];
    const from = turn;
    turn += value / total;
    return [{ index, from, to: turn }];
  });
}

/** Labels as numbers when all are, else their places 0, 1, 2 …: the horizontal axis of a scatter chart. */
export function positionsOf(labels) {
  const numbers = labels.map((label) => (label === "" ? NaN : Number(label)));
  return numbers.every(Number.isFinite) ? numbers : labels.map((_, index) => index);
}

/** Every how many labels one is shown so that they do not overlap in `width`. */
export function labelStride(labels, width) {
  const longest = Math.min(14, Math.max(1, ...labels.map((label) => label.length)));
  return Math.max(1, Math.ceil((labels.length * (longest * 6.4 + 10)) / width));
}
