// Requests to the server. All addresses are relative: the app works under any path.

const FRAME = 1;
const MASK = 2;
const ENDS = ["done", "error", "cancelled"];

// Milliseconds: until what failed is tried again; without a word until a stream, in which the server
// speaks up every 5 s, counts as broken; until any other answer does.
export const patience = { again: 3000, silence: 20000, answer: 120000 };

const LOST = "The server cannot be reached.";
const SILENT = "The server has stopped answering.";
// Of answers that come from a proxy, or from the server before the app: these bring no words for people.
const WORDS = {
  413: "This file is larger than the server takes.",
  502: LOST,
  503: "The server is busy.",
  504: "The server takes too long to answer.",
};

export class Refusal extends Error {
  constructor(status, message, seconds = 0) {
    super(message);
    this.status = status;
    this.isPassing = [0, 502, 503, 504].includes(status); // worth another try …
    this.wait = Math.max(patience.again, 1000 * seconds); // … after so many milliseconds
  }
}

// What an answer that is no success says, as a JSON object or a line of plain text.
function refusal(status, header, text) {
  const type = header("content-type") ?? "";
  let message = WORDS[status] ?? `The server answered with ${status}.`;
  try {
    if (type.startsWith("application/json")) message = JSON.parse(text).message;
    else if (type.startsWith("text/plain") && !WORDS[status]) message = text.trim() || message;
  } catch {
    // cut off
  }
  return new Refusal(status, message, Number(header("retry-after")) || 0);
}

// Aborts a request that is no longer wanted, or that has been silent for too long.
class Watch {
  constructor(longest, signal) {
    this.longest = longest;
    this.aborting = new AbortController();
    this.signal = this.aborting.signal;
    this.isTired = false;
    this.unwanted = signal;
    this.leave = () => this.aborting.abort();
    signal?.addEventListener("abort", this.leave);
    this.hear();
  }

  // There was a sign of life.
  hear() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isTired = true;
      this.aborting.abort();
    }, this.longest);
  }

  end() {
    clearTimeout(this.timer);
    this.unwanted?.removeEventListener("abort", this.leave);
  }
}

function lost(error) {
  throw error.name === "AbortError" ? error : new Refusal(0, LOST);
}

// Asks for something and returns what read(answer, watch) makes of the answer.
async function ask(path, { signal, longest = patience.answer, headers, ...options }, read) {
  const watch = new Watch(longest, signal);
  try {
    const answer = await fetch(`api/sessions${path}`, {
      ...options,
      headers: { "x-stylecinegan": "1", ...headers },
      signal: watch.signal,
    }).catch(lost);
    if (answer.ok) return await read(answer, watch);
    const text = await answer.text().catch(() => "");
    throw refusal(answer.status, (name) => answer.headers.get(name), text);
  } catch (error) {
    throw watch.isTired ? new Refusal(0, SILENT) : error;
  } finally {
    watch.end();
  }
}

const asObject = (answer) => answer.json().catch(lost);
const asBlob = (answer) => answer.blob().catch(lost);

// Sends a file; calls hear(share) with how much of it is there. (fetch cannot tell.)
function upload(path, file, { headers = {}, signal, hear } = {}) {
  const request = new XMLHttpRequest();
  const watch = new Watch(patience.answer, signal);
  watch.signal.addEventListener("abort", () => request.abort());
  return new Promise((resolve, reject) => {
    request.open("POST", `api/sessions${path}`);
    for (const [name, value] of Object.entries({ "x-stylecinegan": "1", ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", (event) => {
      watch.hear();
      hear?.(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      const { status, responseText } = request;
      if (status >= 200 && status < 300) resolve(JSON.parse(responseText));
      else reject(refusal(status, (name) => request.getResponseHeader(name), responseText));
    });
    request.addEventListener("error", () => reject(new Refusal(0, LOST)));
    request.addEventListener("abort", () => {
      reject(watch.isTired ? new Refusal(0, SILENT) : new DOMException("", "AbortError"));
    });
    request.send(file);
  }).finally(() => watch.end());
}

const asJson = (value) => ({ method: "POST", body: JSON.stringify(value) });

// Opens the example ("example") or a file, in the place of a session if one is named.
export function open(file, { replaces, ...options } = {}) {
  const headers = replaces ? { "x-replaces": replaces } : {};
  if (file === "example") return ask("?example", { method: "POST", headers, ...options }, asObject);
  headers["x-name"] = encodeURIComponent(file.name ?? "photo");
  return upload("", file, { headers, ...options });
}

export const describe = (id) => ask(`/${id}`, {}, asObject);

export const photo = (id) => ask(`/${id}/photo`, {}, asBlob);

export const setStyle = (id, file, options) => upload(`/${id}/style`, file, options);

export const sessionFile = (id, wish) => ask(`/${id}/file`, asJson(wish), asBlob);

export const command = (id, wish) => ask(`/${id}/command`, asJson(wish), asObject);

export const cancelRender = (id) => ask(`/${id}/render`, { method: "DELETE" }, () => {});

export const videoAddress = (id) => `api/sessions/${id}/video`;

// Asks for mask and loop; calls hear(kind, value) with "mask" and "frame" blobs and "news".
export function preview(id, wish, signal, hear) {
  return listen(`/${id}/preview`, wish, signal, async (chunks) => {
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
        if (kind === FRAME) hear("frame", new Blob([data], { type: "image/jpeg" }));
        else if (kind === MASK) hear("mask", new Blob([data], { type: "image/png" }));
        else {
          const news = JSON.parse(new TextDecoder().decode(data));
          isOver ||= ENDS.includes(news.type);
          hear("news", news);
        }
      }
    }
    return isOver;
  });
}

// Asks for the video; calls hear(news) with what the server says of it.
export function render(id, wish, hear) {
  return listen(`/${id}/render`, wish, undefined, async (chunks) => {
    const decoder = new TextDecoder();
    let isOver = false;
    let text = "";
    for await (const chunk of chunks) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop();
      for (const news of lines.map((line) => JSON.parse(line))) {
        isOver ||= ENDS.includes(news.type);
        hear(news);
      }
    }
    return isOver;
  });
}

// Asks for a stream; take(chunks) says whether it came to its end.
async function listen(path, wish, signal, take) {
  const options = { ...asJson(wish), signal, longest: patience.silence };
  const isOver = await ask(path, options, (answer, watch) => take(chunksOf(answer.body, watch)));
  if (!isOver) throw new Refusal(0, LOST);
}

// Not every browser can iterate over a stream.
async function* chunksOf(stream, watch) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(lost);
      if (done) return;
      watch.hear();
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
