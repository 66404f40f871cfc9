// Asks the router that this page came from. The token is kept in this tab, and nowhere else.

/** How long an answer may take, in milliseconds. */
const LONGEST = 8_000;
const PLACE = "larder-token";

/** An answer that says no. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Connection {
  #base;
  #token = "";

  constructor(base) {
    this.#base = base;
  }

  use(token) {
    this.#token = token;
  }

  /** Keeps the token for when the page is loaded again. */
  remember() {
    sessionStorage.setItem(PLACE, this.#token);
  }

  /** Takes the token that was kept; whether there was one. */
  recall() {
    const kept = sessionStorage.getItem(PLACE);
    this.#token = kept ?? "";
    return kept !== null;
  }

  forget() {
    this.#token = "";
    sessionStorage.removeItem(PLACE);
  }

  get(path) {
    return this.#ask(path, { method: "GET" });
  }

  post(path, body) {
    return this.#ask(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
  }

  async #ask(path, { headers = {}, ...request }) {
    const authorization = this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
    const response = await fetch(new URL(path, this.#base), {
      ...request,
      headers: { Accept: "application/json", ...headers, ...authorization },
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(LONGEST),
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      const wait = response.headers.get("Retry-After");
      const message = response.status === 429 && wait ? `too many changes at once; try again in ${wait} s` : answer.message;
      throw new Refused(response.status, message ?? `the service answered with ${response.status}`);
    }
    return answer;
  }
}
