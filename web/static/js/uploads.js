// Sends a file to the server and reports how far it is. XMLHttpRequest, since fetch cannot tell the progress of a request.

import { ApiError, errorFrom } from "./api.js";

/** Upload one file; `onProgress(fraction)` is called with 0..1. Answers the server's FileInfo or throws an ApiError. */
export function uploadFile(file, onProgress) {
  const { promise, resolve, reject } = Promise.withResolvers?.() ?? withResolvers();
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append("file", file, file.name);
  request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
  request.onload = () =>
    request.status < 400
      ? resolve(JSON.parse(request.responseText))
      : reject(errorFrom(request.status, request.responseText));
  request.onerror = () => reject(new ApiError("network", "The connection broke while the file was on its way."));
  request.open("POST", "/api/files");
  request.setRequestHeader("Accept", "application/json");
  request.send(form);
  return promise;
}

function withResolvers() {
  let resolve, reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}
