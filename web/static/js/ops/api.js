// The operators' HTTP calls.

import { call } from "../api.js";

const ROOT = "/api/ops";

export const ops = {
  overview: () => call("GET", ROOT),
  hour: () => call("GET", `${ROOT}/hour`),
  run: (runId) => call("GET", runUrl(runId)),
  cancel: (runId) => call("POST", `${runUrl(runId)}/cancel`),
  requeue: (runId, attempt) => call("POST", `${runUrl(runId)}/requeue`, { attempt }),
  again: (runId) => call("POST", `${runUrl(runId)}/again`),
};

function runUrl(runId) {
  return `${ROOT}/runs/${encodeURIComponent(runId)}`;
}
