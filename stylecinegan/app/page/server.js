// Requests to the server. All addresses are relative: the app works under any path.

const FRAME = 1;
const MASK = 2;
const ENDS = ["done", "error", "cancelled"];

const LOST = "The server cannot be reached.";
// Of answers that come from a proxy, or from the server before the app: these bring no words for people.
const WORDS = {
  413: "This file is larger than the server takes.",
  502: LOST,
  503: "The server is busy.",
  504: "The server takes too long.",
};

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.isPassing = [0, 502, 503, 504].includes(status); // worth another try
  }
}

// What an answer that is no success says, as a JSON object or a line of plain text.
function refusal(status, type, text) {
  let message = WORDS[status] ?? `The server answered with ${status}.`;
  try {
    if (type?.startsWith("application/json")) message = JSON.parse(text).message;
    else if (type?.startsWith("text/plain") && !WORDS[status]) message = text.trim() || message;
  } catch {
    // cut off
  }
  return new Refusal(status, message);
}

async function ask(path, options = {}) {
  const headers = { "x-stylecinegan": "1", ...options.headers };
  let answer;
  try {
    answer = await fetch(`api/sessions${path}`, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, LOST);
  }
  if (answer.ok) return answer;
  throw refusal(answer.status, answer.headers.get("content-type"), await answer.text().catch(() => ""));
}

// Sends a file; calls hear(share) with how much of it is there. (fetch cannot tell.)
function upload(path, file, { headers = {}, signal, hear } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `api/sessions${path}`);
    for (const [name, value] of Object.entries({ "x-stylecinegan": "1", ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.addEventListener("progress", (event) => hear?.(event.loaded / event.total));
    request.addEventListener("load", () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(refusal(request.status, request.getResponseHeader("content-type"), request.responseText));
    });
    request.addEventListener("error", () => reject(new Refusal(0, LOST)));
    request.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

const asJson = (value) => ({ method: "POST", body: JSON.stringify(value) });

export const openExample = async () => (await ask("?example", { method: "POST" })).json();

export function openFile(file, options = {}) {
  const headers = { "x-name": encodeURIComponent(file.name ?? "photo") };
  return upload("", file, { ...options, headers });
}

export const describe = async (id) => (await ask(`/${id}`)).json();

export const photo = async (id) => (await ask(`/${id}/photo`)).blob();

export const setStyle = (id, file, options) => upload(`/${id}/style`, file, options);

export const sessionFile = async (id, wish) => (await ask(`/${id}/file`, asJson(wish))).blob();

export const command = async (id, wish) => (await ask(`/${id}/command`, asJson(wish))).json();

export const cancelRender = (id) => ask(`/${id}/render`, { method: "DELETE" });

export const videoAddress = (id) => `api/sessions/${id}/video`;

// Asks for mask and loop; calls hear(kind, value) with "mask" and "frame" blobs and "news".
export async function preview(id, wish, signal, hear) {
  const answer = await ask(`/${id}/preview`, { ...asJson(wish), signal });
  let buffer = new Uint8Array(0);
  let isOver = false;
  for await (const part of parts(answer.body)) {
    const joined = new Uint8Array(buffer.length + part.length);
    joined.set(buffer);
    joined.set(part, buffer.length);
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
  if (!isOver) throw new Refusal(0, LOST);
}

// Asks for the video; calls hear(news) with what the server says of it.
export async function render(id, wish, hear) {
  const answer = await ask(`/${id}/render`, asJson(wish));
  const decoder = new TextDecoder();
  let text = "";
  let isOver = false;
  for await (const part of parts(answer.body)) {
    text += decoder.decode(part, { stream: true });
    const lines = text.split("\n");
    text = lines.pop();
    for (const news of lines.map((line) => JSON.parse(line))) {
      isOver ||= ENDS.includes(news.type);
      hear(news);
    }
  }
  if (!isOver) throw new Refusal(0, LOST);
}

// Not every browser can iterate over a stream.
async function* parts(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw error.name === "AbortError" ? error : new Refusal(0, LOST);
      });
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
