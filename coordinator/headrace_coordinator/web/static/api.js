// The JSON API of the coordinator that served this page.

/** What is said of these codes here: the coordinator's own words name a command of the terminal. */
const WORDS = {
  unknown_job: "There is no such job any more.",
  unknown_worker: "There is no such worker any more.",
};

/** What the coordinator says is wrong: `detail` is a sentence for people, `code` one for programs. */
export class Problem extends Error {
  constructor(status, body) {
    super(WORDS[body?.code] || body?.detail || body?.title || `The coordinator answered with status ${status}.`);
    this.status = status;
    this.code = body?.code ?? "";
  }
}

/** Ask for something, such as get("jobs/1234/progress", { limit: 10 }). */
export function get(path, parameters = {}, signal = undefined) {
  return call("GET", path + write(parameters), undefined, signal);
}

/** Do something, such as send("POST", "jobs/1234/cancel"). */
export function send(method, path, body = undefined) {
  return call(method, path, body);
}

/** Parameters as the API reads them: a list is repeated. */
export function write(parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") query.append(name, one);
    }
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

async function call(method, path, body, signal) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = document.querySelector('meta[name="csrf-token"]').content;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1/${path}`, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "The coordinator cannot be reached." });
  }
  if (answer.status === 401) logIn();
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => null);
  if (!answer.ok) throw new Problem(answer.status, content);
  return content;
}

/** Go where one can log in, and come back from there. */
export function logIn() {
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}
