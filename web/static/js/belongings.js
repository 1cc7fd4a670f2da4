// What a person does with their chats and files: add, try the sample, delete. Asks before something is gone for good.

import { confirmIn } from "./views/dialog.js";

const SAMPLE = "/static/samples/sales.csv";

export class Belongings {
  #library;
  #peers;
  #uploads;
  #dialog;

  /** `parts` are {library, peers, uploads, dialog}: `uploads` shows how an upload goes, `dialog` asks. */
  constructor({ library, peers, uploads, dialog }) {
    this.#library = library;
    this.#peers = peers;
    this.#uploads = uploads;
    this.#dialog = dialog;
  }

  /** Answers the FileInfo, or null when it failed, which is shown already. */
  async add(file) {
    const info = await this.#library.upload(file, this.#uploads.add(file.name));
    if (info) this.#peers.tell({ kind: "files" });
    return info;
  }

  addAll(files) {
    for (const file of files) this.add(file);
  }

  /** Add the sample table; answers as `add`. */
  async addSample() {
    const response = await fetch(SAMPLE);
    return this.add(new File([await response.blob()], "sales.csv", { type: "text/csv" }));
  }

  /** Answers whether the thread is gone. */
  async deleteThread(thread) {
    const agreed = await confirmIn(this.#dialog, {
      title: "Delete this chat?",
      text: `“${thread.title}” and everything its agents did will be gone.`,
      action: "Delete chat",
    });
    if (!agreed || !(await this.#library.deleteThread(thread.thread_id))) return false;
    this.#peers.tell({ kind: "threads" });
    return true;
  }

  async deleteFile(file) {
    const agreed = await confirmIn(this.#dialog, {
      title: "Delete this file?",
      text: `Agents will no longer see “${file.name}”.`,
      action: "Delete file",
    });
    if (agreed && (await this.#library.deleteFile(file.file_id))) this.#peers.tell({ kind: "files" });
  }
}
