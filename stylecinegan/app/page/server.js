// Requests to the server. All addresses are relative: the app works under any path.

const FRAME = 1;
const MASK = 2;
const ENDS = ["done", "error", "cancelled"];

// In milliseconds: before a failed request is repeated; without data in a stream, in which the server
// sends a sign of life every 5 s; without any other answer.
export const timeouts = { retry: 3000, silence: 20000, answer: 120000 };

const LOST = "The server cannot be reached.";
const SILENT = "The server has stopped answering.";
// Answers of a proxy, or of the server before the app, have no message for users.
const MESSAGES = {
  413: "This file is larger than the server takes.",
  502: LOST,
  503: "The server is busy.",
  504: "The server takes too long to answer.",
};

export class ServerError extends Error {
  constructor(status, message, seconds = 0) {
    super(message.charAt(0).toUpperCase() + message.slice(1)); // the command line's begin in lower case
    this.status = status;
    this.isTemporary = [0, 502, 503, 504].includes(status); // worth a retry …
    this.retryAfter = Math.max(timeouts.retry, 1000 * seconds); // … after so many milliseconds
  }
}

// The error of an answer: its message is a JSON object or a line of plain text.
function errorOf(status, header, text) {
  const type = header("content-type") ?? "";
  let message = MESSAGES[status] ?? `The server answered with ${status}.`;
  try {
    if (type.startsWith("application/json")) message = JSON.parse(text).message;
    else if (type.startsWith("text/plain") && !MESSAGES[status]) message = text.trim() || message;
  } catch {
    // cut off
  }
  return new ServerError(status, message, Number(header("retry-after")) || 0);
}

// Aborts a request that its caller aborts, or that has been silent for too long.
class Watch {
  constructor(timeout, signal) {
    this.timeout = timeout;
    this.aborting = new AbortController();
    this.signal = this.aborting.signal;
    this.isOverdue = false;
    this.caller = signal;
    this.abort = () => this.aborting.abort();
    signal?.addEventListener("abort", this.abort);
    this.restart();
  }

  // Restarts the time after a sign of life.
  restart() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isOverdue = true;
      this.aborting.abort();
    }, this.timeout);
  }

  end() {
    clearTimeout(this.timer);
    this.caller?.removeEventListener("abort", this.abort);
  }
}

function raiseUnreachable(error) {
  throw error.name === "AbortError" ? error : new ServerError(0, LOST);
}

// Sends a request and returns read(answer, watch).
async function request(path, { signal, timeout = timeouts.answer, headers, ...options }, read) {
  const watch = new Watch(timeout, signal);
  try {
    const answer = await fetch(`api/sessions${path}`, {
      ...options,
      headers: { "x-stylecinegan": "1", ...headers },
      signal: watch.signal,
    }).catch(raiseUnreachable);
    if (answer.ok) return await read(answer, watch);
    const text = await answer.text().catch(() => "");
    throw errorOf(answer.status, (name) => answer.headers.get(name), text);
  } catch (error) {
    throw watch.isOverdue ? new ServerError(0, SILENT) : error;
  } finally {
    watch.end();
  }
}

const asObject = (answer) => answer.json().catch(raiseUnreachable);
const asBlob = (answer) => answer.blob().catch(raiseUnreachable);

// Sends a file; calls onProgress(share) with the share that has been sent, which fetch cannot tell.
function upload(path, file, { headers = {}, signal, onProgress } = {}) {
  const sending = new XMLHttpRequest();
  const watch = new Watch(timeouts.answer, signal);
  watch.signal.addEventListener("abort", () => sending.abort());
  return new Promise((resolve, reject) => {
    sending.open("POST", `api/sessions${path}`);
    for (const [name, value] of Object.entries({ "x-stylecinegan": "1", ...headers })) {
      sending.setRequestHeader(name, value);
    }
    sending.upload.addEventListener("progress", (event) => {
      watch.restart();
      onProgress?.(event.loaded / event.total);
    });
    sending.addEventListener("load", () => {
      const { status, responseText } = sending;
      if (status >= 200 && status < 300) resolve(JSON.parse(responseText));
      else reject(errorOf(status, (name) => sending.getResponseHeader(name), responseText));
    });
    sending.addEventListener("error", () => reject(new ServerError(0, LOST)));
    sending.addEventListener("abort", () => {
      reject(watch.isOverdue ? new ServerError(0, SILENT) : new DOMException("", "AbortError"));
    });
    sending.send(file);
  }).finally(() => watch.end());
}

const asJson = (value) => ({ method: "POST", body: JSON.stringify(value) });

// Opens a file, or the example ("example"); the new session replaces the named one, if any.
export function open(file, { replaces, ...options } = {}) {
  const headers = replaces ? { "x-replaces": replaces } : {};
  if (file === "example") return request("?example", { method: "POST", headers, ...options }, asObject);
  headers["x-name"] = encodeURIComponent(file.name ?? "photo");
  return upload("", file, { headers, ...options });
}

export const describe = (id) => request(`/${id}`, {}, asObject);

export const photo = (id) => request(`/${id}/photo`, {}, asBlob);

export const setStyle = (id, file, options) => upload(`/${id}/style`, file, options);

export const sessionFile = (id, body) => request(`/${id}/file`, asJson(body), asBlob);

export const command = (id, body) => request(`/${id}/command`, asJson(body), asObject);

export const cancelRender = (id) => request(`/${id}/render`, { method: "DELETE" }, () => {});

export const videoAddress = (id) => `api/sessions/${id}/video`;

// Requests mask and loop; calls receive(kind, content) with "mask" and "frame" blobs and "status".
export function preview(id, body, signal, receive) {
  return stream(`/${id}/preview`, body, signal, async (chunks) => {
    let isOver = false;
    let buffer = new Uint8Array(0);
    for await (const chunk of chunks) {
      const joined = new Uint8Array(buffer.length + chunk.length);
      joined.set(buffer);
      joined.set(chunk, buffer.length);
      buffer = joined;
      while (buffer.length >= 5) {
        const length = new DataView(buffer.buffer, buffer.byteOffset).getUint32(1);
        if (buffer.length < 5 + length) break;
        const data = buffer.slice(5, 5 + length);
        const kind = buffer[0];
        buffer = buffer.subarray(5 + length);
        if (kind === FRAME) receive("frame", new Blob([data], { type: "image/jpeg" }));
        else if (kind === MASK) receive("mask", new Blob([data], { type: "image/png" }));
        else {
          const message = JSON.parse(new TextDecoder().decode(data));
          isOver ||= ENDS.includes(message.type);
          receive("status", message);
        }
      }
    }
    return isOver;
  });
}

// Requests the video; calls receive(message) with each message of the server.
export function render(id, body, receive) {
  return stream(`/${id}/render`, body, undefined, async (chunks) => {
    const decoder = new TextDecoder();
    let isOver = false;
    let text = "";
    for await (const chunk of chunks) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop();
      for (const message of lines.map((line) => JSON.parse(line))) {
        isOver ||= ENDS.includes(message.type);
        receive(message);
      }
    }
    return isOver;
  });
}

// Requests a stream; read(chunks) returns whether it was complete.
async function stream(path, body, signal, read) {
  const options = { ...asJson(body), signal, timeout: timeouts.silence };
  const isOver = await request(path, options, (answer, watch) => read(chunksOf(answer.body, watch)));
  if (!isOver) throw new ServerError(0, LOST);
}

// Not every browser can iterate over a stream.
async function* chunksOf(stream, watch) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(raiseUnreachable);
      if (done) return;
      watch.restart();
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
