// The connection: it comes back by itself, catches up from the last line it has seen, and sends each message until it is stored.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const PING_EVERY_MS = 25_000;
const PONG_WITHIN_MS = 10_000;
const ACK_AFTER_MS = 150;
const RESEND_AFTER_MS = 2_000;
const AT_ONCE = 5; // messages that may wait for the server's answer
const FINAL = new Set([4403, 4404]); // close codes after which coming back changes nothing
const UNAUTHORIZED = 4401;

// Messages that are not stored yet, each under a key of its own, so that several tabs do not undo each other's.
class Outbox {
  constructor(name) {
    this.prefix = `converse-chat:${name}:`;
    this.messages = [];
    this.kept = true;
    try {
      for (const key of Object.keys(localStorage).filter((each) => each.startsWith(this.prefix))) {
        this.messages.push(JSON.parse(localStorage.getItem(key)));
      }
    } catch {
      this.kept = false; // no storage here: what is not sent lives as long as the page
    }
    this.messages.sort((one, other) => one.at.localeCompare(other.at));
  }

  add(message) {
    this.messages.push(message);
    this.store(() => localStorage.setItem(this.prefix + message.id, JSON.stringify(message)));
  }

  remove(id) {
    this.messages = this.messages.filter((message) => message.id !== id);
    this.store(() => localStorage.removeItem(this.prefix + id));
  }

  store(change) {
    if (!this.kept) return;
    try {
      change();
    } catch {
      this.kept = false;
    }
  }
}

class Connection {
  // `address()` gives the WebSocket's URL without its query; `newToken()` a promise of a token, or null where there is none.
  constructor({ address, token, newToken, outbox, onFrame, onState }) {
    Object.assign(this, { address, token, newToken, outbox, onFrame, onState });
    this.seen = null;
    this.read = 0;
    this.acked = 0;
    this.failures = 0;
    this.sent = new Set();
    this.ready = false;
    this.over = false;
    addEventListener("online", () => this.connect());
    addEventListener("offline", () => this.drop("offline"));
    document.addEventListener("visibilitychange", () => document.hidden || this.connect());
  }

  async connect() {
    if (this.over || this.socket || this.opening) return;
    clearTimeout(this.retry);
    this.opening = true;
    this.onState("connecting");
    try {
      this.token ??= await this.newToken();
    } catch {
      this.opening = false;
      this.later();
      return;
    }
    this.opening = false;
    if (this.token === null) {
      this.over = true;
      this.onState("signed_out");
      return;
    }
    const query = new URLSearchParams({ token: this.token });
    if (this.seen !== null) query.set("after", this.seen);
    const socket = new WebSocket(`${this.address()}?${query}`);
    this.socket = socket;
    const mine = (act) => (event) => this.socket === socket && act(event);
    socket.onmessage = mine((event) => this.hear(JSON.parse(event.data)));
    socket.onclose = mine((event) => this.closed(event.code));
    this.watch(PONG_WITHIN_MS);
  }

  say(content, more = {}) {
    const message = { id: newId(), content, at: new Date().toISOString(), ...more };
    this.outbox.add(message);
    this.flush();
    return message;
  }

  reads(position) {
    if (position <= this.read) return;
    this.read = position;
    this.tell({ type: "read", position });
  }

  tell(frame) {
    if (this.ready) this.socket.send(JSON.stringify(frame));
  }

  hear(frame) {
    this.watch(PING_EVERY_MS);
    if (frame.type === "message") {
      this.seen = frame.position;
      this.acknowledge();
    } else if (frame.type === "status" && frame.status === "caught_up") {
      this.seen = frame.position;
      this.ready = true;
      this.failures = 0;
      this.sent.clear();
      this.onState("connected");
      if (this.read) this.tell({ type: "read", position: this.read });
      this.flush();
    } else if (frame.type === "status" && frame.status === "stored") {
      this.sent.delete(frame.id);
      this.outbox.remove(frame.id);
      this.flush();
    } else if (frame.type === "error") {
      this.refused(frame);
    }
    this.onFrame(frame);
  }

  // What is already on its way may not be said twice within one connection; over a new one the id keeps it one message.
  flush() {
    if (!this.ready) return;
    for (const message of this.outbox.messages) {
      if (this.sent.size >= AT_ONCE) return;
      if (this.sent.has(message.id)) continue;
      this.sent.add(message.id);
      const { id, content, choice, reply_to } = message;
      this.tell({ type: "message", id, content, choice, reply_to });
    }
  }

  refused({ code, id }) {
    if (!id) return;
    if (code === "try_again" || code === "slow_down") {
      setTimeout(() => {
        this.sent.delete(id);
        this.flush();
      }, RESEND_AFTER_MS);
    } else {
      this.sent.delete(id);
      this.outbox.remove(id);
    }
  }

  acknowledge() {
    clearTimeout(this.acking);
    this.acking = setTimeout(() => {
      if (this.seen > this.acked && this.ready) {
        this.acked = this.seen;
        this.tell({ type: "ack", position: this.seen });
      }
    }, ACK_AFTER_MS);
  }

  // A connection may die without a word: after a while of silence we ask, and without an answer we come back.
  watch(patience) {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      if (patience === PING_EVERY_MS && this.ready) {
        this.tell({ type: "ping" });
        this.watch(PONG_WITHIN_MS);
      } else {
        this.drop("silent");
      }
    }, patience);
  }

  drop() {
    const socket = this.socket;
    if (!socket) return;
    this.closed(1006);
    socket.close();
  }

  closed(code) {
    clearTimeout(this.silence);
    this.socket = null;
    this.ready = false;
    if (FINAL.has(code)) {
      this.over = true;
      this.onState("refused");
      return;
    }
    if (code === UNAUTHORIZED) this.token = null;
    this.later();
  }

  later() {
    this.onState("away");
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.connect(), longest * (0.5 + Math.random() / 2));
  }
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
