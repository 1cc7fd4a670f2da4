// What this user has, beside the open thread: threads, files, and the agents on offer. Knows no DOM.

import { uploadFile } from "./uploads.js";

export class Library {
  threads = [];
  files = [];
  catalogue = { agents: [], default_agent: "", model: "", offline: false };
  #api;
  #on;
  #unread = new Set();

  /** `on` has onThreads(), onFiles(), onCatalogue() and onProblem(error). */
  constructor(api, on) {
    this.#api = api;
    this.#on = on;
  }

  /** Read all of it; a part that cannot be read stays as it was. */
  async refresh() {
    await Promise.all([this.refreshThreads(), this.refreshFiles(), this.refreshCatalogue()]);
  }

  /** True while the last attempt to read some part has failed. */
  get isStale() {
    return this.#unread.size > 0;
  }

  async refreshThreads() {
    await this.#quietly("threads", async () => {
      this.threads = await this.#api.threads();
      this.#on.onThreads();
    });
  }

  async refreshFiles() {
    await this.#quietly("files", async () => {
      this.files = newestFirst(await this.#api.files());
      this.#on.onFiles();
    });
  }

  async refreshCatalogue() {
    await this.#quietly("catalogue", async () => {
      this.catalogue = await this.#api.agents();
      this.#on.onCatalogue();
    });
  }

  /** Answers whether it worked. */
  async deleteThread(threadId) {
    return this.#loudly(async () => {
      await this.#api.deleteThread(threadId);
      this.threads = this.threads.filter((thread) => thread.thread_id !== threadId);
      this.#on.onThreads();
    });
  }

  /** Answers whether it worked. */
  async deleteFile(fileId) {
    return this.#loudly(async () => {
      await this.#api.deleteFile(fileId);
      this.files = this.files.filter((file) => file.file_id !== fileId);
      this.#on.onFiles();
    });
  }

  /** Upload one file and tell its `chip` how it goes; answers the FileInfo or null. */
  async upload(file, chip) {
    try {
      const info = await uploadFile(file, chip.progress);
      chip.done(info);
      this.files = newestFirst([...this.files.filter((other) => other.file_id !== info.file_id), info]);
      this.#on.onFiles();
      return info;
    } catch (error) {
      chip.failed(error.message);
      return null;
    }
  }

  // Not worth a message of its own: what is shown may be a little old, and is read again soon.
  async #quietly(part, action) {
    try {
      await action();
      this.#unread.delete(part);
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      this.#unread.add(part);
    }
  }

  async #loudly(action) {
    try {
      await action();
      return true;
    } catch (error) {
      this.#on.onProblem(error);
      return false;
    }
  }
}

function newestFirst(files) {
  return files.toSorted((one, other) => other.created_at - one.created_at);
}
