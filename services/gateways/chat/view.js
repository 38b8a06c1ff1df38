// The widget on the page: a button, a panel, the lines, and what is not said yet. Everything is text, never markup.

const DRAFT_LIVES_MS = 15_000; // a draft without news is gone: whoever wrote it may be, too
const TYPING_LIVES_MS = 8_000;
const TYPING_EVERY_MS = 3_000;
const LONGEST = 4_000; // characters of a message

const script = document.currentScript;
const settings = script.dataset;
const tenant = settings.tenant || "default";
const language = WORDS[settings.lang] ? settings.lang : "en";
const words = { ...WORDS[language], ...(settings.title ? { title: settings.title } : {}) };
const clockOf = new Intl.DateTimeFormat(language === "hi" ? "hi-IN" : undefined, { hour: "2-digit", minute: "2-digit" });
const dayOf = new Intl.DateTimeFormat(language === "hi" ? "hi-IN" : undefined, { day: "numeric", month: "long" });

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(svg.namespaceURI, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

const SPEAK = "M4 5h16v11H9l-5 4z";
const CROSS = "M6 6l12 12M18 6L6 18";
const SEND = "M4 12l16-8-6 16-3-7z";

class Widget {
  constructor() {
    this.lines = new Map();
    this.drafts = new Map();
    this.ended = new Set();
    this.failed = new Set();
    this.outbox = new Outbox(`${tenant}:${settings.contact}`);
    this.draw();
    this.connection = new Connection({
      address: () => this.address(),
      token: settings.token || null,
      newToken: () => this.newToken(),
      outbox: this.outbox,
      onFrame: (frame) => this.hear(frame),
      onState: (state) => this.state(state),
    });
    for (const message of this.outbox.messages) this.pend(message);
    if (settings.open === "true") this.open(false);
    this.connection.connect();
  }

  address() {
    const url = new URL(script.src);
    const path = tenant === "default" ? "/ws/chat/" : `/ws/${encodeURIComponent(tenant)}/chat/`;
    return `${url.protocol.replace("http", "ws")}//${url.host}${path}${encodeURIComponent(settings.contact)}`;
  }

  async newToken() {
    if (!settings.tokenUrl) return null;
    const url = new URL(settings.tokenUrl, location.href);
    url.searchParams.set("contact", settings.contact);
    url.searchParams.set("tenant", tenant);
    const answer = await fetch(url, { credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 403) return null;
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return (await answer.json()).token;
  }

  draw() {
    const host = make("div", { id: "converse-chat", lang: language });
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.badge = make("span", { class: "badge", hidden: true });
    this.launcher = make(
      "button",
      { class: "launcher", type: "button", "aria-expanded": "false", "aria-controls": "panel", "aria-label": words.open, onclick: () => this.toggle() },
      icon(SPEAK),
      this.badge,
    );
    this.notice = make("p", { class: "notice", role: "status" });
    this.empty = make("p", { class: "empty" }, words.empty);
    this.log = make("ol", { class: "log", role: "log", "aria-live": "polite", "aria-label": words.log, tabindex: "0" });
    this.passing = make("div", { class: "passing", "aria-hidden": "true" });
    this.typing = make("p", { class: "typing", role: "status" });
    this.scroller = make("div", { class: "scroller" }, this.empty, this.log, this.passing, this.typing);
    this.text = make("textarea", {
      rows: "1",
      maxlength: LONGEST,
      "aria-label": words.write,
      placeholder: words.placeholder,
      enterkeyhint: "send",
      onkeydown: (event) => this.key(event),
      oninput: () => this.written(),
    });
    const send = make("button", { class: "send", type: "submit", "aria-label": words.send, title: words.send }, icon(SEND));
    this.panel = make(
      "section",
      { id: "panel", class: "panel", "aria-label": words.title, hidden: true, onkeydown: (event) => event.key === "Escape" && this.close() },
      make(
        "header",
        {},
        make("h2", {}, words.title),
        make("button", { class: "cross", type: "button", "aria-label": words.close, title: words.close, onclick: () => this.close() }, icon(CROSS)),
      ),
      this.notice,
      this.scroller,
      make("form", { onsubmit: (event) => this.submit(event) }, this.text, send),
    );
    root.append(this.panel, this.launcher);
    document.body.append(host);
    document.addEventListener("visibilitychange", () => this.look());
  }

  toggle() {
    if (this.panel.hidden) this.open();
    else this.close();
  }

  open(focus = true) {
    this.panel.hidden = false;
    this.launcher.setAttribute("aria-expanded", "true");
    this.launcher.setAttribute("aria-label", words.close);
    if (focus) this.text.focus();
    this.toEnd(true);
    this.look();
  }

  close() {
    this.panel.hidden = true;
    this.launcher.setAttribute("aria-expanded", "false");
    this.launcher.setAttribute("aria-label", words.open);
    this.launcher.focus();
  }

  state(state) {
    this.notice.textContent = state === "connected" ? "" : words[state];
    this.notice.hidden = state === "connected";
    this.panel.dataset.state = state;
    this.online = state === "connected";
    for (const note of this.log.querySelectorAll("[data-pending] .note")) {
      note.textContent = this.online ? words.pending : words.waiting;
    }
  }

  hear(frame) {
    if (frame.type === "message") this.line(frame);
    else if (frame.type === "draft") this.draft(frame);
    else if (frame.type === "retract") this.endDraft(frame.id);
    else if (frame.type === "typing") this.types(frame.on === false ? null : frame.who || "agent");
    else if (frame.type === "presence") this.types(null, frame.there ? words.joined : words.left);
    else if (frame.type === "status" && frame.status === "stored") this.stored(frame.id);
    else if (frame.type === "error" && frame.id && !this.outbox.messages.some((each) => each.id === frame.id)) this.fail(frame.id);
  }

  line(frame) {
    const stays = this.nearEnd();
    this.pending(frame.id)?.remove();
    if (frame.role !== "contact") {
      this.types(null);
      if (frame.draft) this.endDraft(frame.draft);
    }
    if (!this.lines.has(frame.id)) {
      this.lines.set(frame.id, frame);
      this.day(frame.at);
      this.log.insertBefore(this.bubble(frame), this.log.querySelector("[data-pending]"));
    }
    this.empty.hidden = true;
    this.offer();
    if (stays || frame.role === "contact") this.toEnd(true);
    this.look();
  }

  bubble(frame) {
    const mine = frame.role === "contact";
    const who = mine ? words.you : words[frame.role];
    return make(
      "li",
      { class: mine ? "line mine" : `line ${frame.role}`, "data-id": frame.id, "data-position": frame.position ?? null, "data-pending": frame.position === undefined },
      make("span", { class: "who" }, who),
      make("p", { class: "words", dir: "auto" }, frame.content),
      make(
        "span",
        { class: "foot" },
        make("time", { datetime: frame.at }, clockOf.format(new Date(frame.at))),
        make("span", { class: "note" }, frame.position === undefined ? (this.online ? words.pending : words.waiting) : ""),
      ),
    );
  }

  day(at) {
    const date = new Date(at);
    const key = date.toDateString();
    if (key === this.lastDay) return;
    this.lastDay = key;
    const ago = Math.round((new Date(new Date().toDateString()) - new Date(key)) / 86_400_000);
    const name = ago === 0 ? words.today : ago === 1 ? words.yesterday : dayOf.format(date);
    this.log.insertBefore(make("li", { class: "day" }, name), this.log.querySelector("[data-pending]"));
  }

  // The answers that can be pressed belong to our newest message, until the contact has said something.
  offer() {
    this.log.querySelector(".choices")?.remove();
    const newest = [...this.lines.values()].at(-1);
    if (!newest?.choices?.length || this.log.querySelector("[data-pending]")) return;
    const buttons = newest.choices.map((choice) =>
      make(
        "button",
        { type: "button", "data-choice": choice.id, title: choice.description ?? null, onclick: () => this.say(choice.title, { choice: choice.id, reply_to: newest.id }) },
        choice.title,
      ),
    );
    this.log.querySelector(`[data-id="${CSS.escape(newest.id)}"]`).append(make("div", { class: "choices" }, ...buttons));
  }

  // A draft is written anew with each frame; readers of the screen hear the message that it becomes.
  draft({ id, content }) {
    if (this.ended.has(id)) return;
    const stays = this.nearEnd();
    let known = this.drafts.get(id);
    if (!known) {
      known = { element: make("div", { class: "line agent draft" }, make("p", { class: "words", dir: "auto" })) };
      this.drafts.set(id, known);
      this.passing.append(known.element);
      this.empty.hidden = true;
      this.types(null);
    }
    known.element.firstChild.textContent = content;
    clearTimeout(known.timer);
    known.timer = setTimeout(() => this.endDraft(id), DRAFT_LIVES_MS);
    if (stays) this.toEnd(true);
  }

  endDraft(id) {
    this.ended.add(id);
    const known = this.drafts.get(id);
    if (!known) return;
    clearTimeout(known.timer);
    known.element.remove();
    this.drafts.delete(id);
  }

  types(who, instead = "") {
    clearTimeout(this.typingTimer);
    this.typing.textContent = who ? words.typing[who] : instead;
    this.typing.classList.toggle("on", Boolean(who));
    if (who) this.typingTimer = setTimeout(() => this.types(null), TYPING_LIVES_MS);
    this.toEnd(this.nearEnd());
  }

  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submit(event);
  }

  written() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, 120)}px`;
    const now = performance.now();
    if (this.text.value && now - (this.toldTyping ?? -Infinity) > TYPING_EVERY_MS) {
      this.toldTyping = now;
      this.connection.tell({ type: "typing" });
    }
  }

  submit(event) {
    event.preventDefault();
    const content = this.text.value.trim();
    if (!content) return;
    this.text.value = "";
    this.written();
    this.toldTyping = undefined;
    this.say(content);
  }

  say(content, more) {
    this.pend(this.connection.say(content, more));
    if (!matchMedia("(pointer: coarse)").matches) this.text.focus(); // on a phone it would cover half of the chat
  }

  pend(message) {
    this.log.append(this.bubble({ ...message, role: "contact" }));
    this.empty.hidden = true;
    this.offer();
    this.toEnd(true);
  }

  pending(id) {
    return this.log.querySelector(`[data-pending][data-id="${CSS.escape(id)}"]`);
  }

  stored(id) {
    const note = this.pending(id)?.querySelector(".note");
    if (note) note.textContent = "";
  }

  fail(id) {
    const waiting = this.pending(id);
    if (!waiting) return;
    waiting.classList.add("failed");
    waiting.querySelector(".note").textContent = words.failed;
  }

  // What is on the screen of somebody who looks at it has been read; what is not is counted on the button.
  look() {
    const theirs = [...this.lines.values()].filter((line) => line.role !== "contact");
    const last = theirs.at(-1)?.position ?? 0;
    if (!this.panel.hidden && !document.hidden) {
      this.looked = Math.max(this.looked ?? 0, last);
      if (last) this.connection?.reads(last);
    }
    const unread = theirs.filter((line) => line.position > (this.looked ?? 0)).length;
    this.badge.hidden = unread === 0;
    this.badge.textContent = unread;
    if (this.panel.hidden) this.launcher.setAttribute("aria-label", unread ? `${words.open} (${words.unread(unread)})` : words.open);
  }

  nearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    return scrollHeight - scrollTop - clientHeight < 80;
  }

  toEnd(wanted) {
    if (wanted) this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

if (document.body) new Widget();
else addEventListener("DOMContentLoaded", () => new Widget());
