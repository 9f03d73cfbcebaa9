// iec104.mjs - IEC 60870-5-104 written from the tables of the standards (60870-5-101 clause 7, 60870-5-104 clause 5),
// with nothing of the product: a controlled station that can misbehave, and a plain controlling station.
import net from 'node:net';
import tls from 'node:tls';

export const U = { startAct: 0x07, startCon: 0x0b, stopAct: 0x13, stopCon: 0x23, testAct: 0x43, testCon: 0x83 };

// ---- elements: id -> [bytes of the value, bytes of the time] and how they are written ----
const f32 = (v) => {
  const b = Buffer.alloc(4);
  b.writeFloatLE(v);
  return b;
};
const i16 = (v) => {
  const b = Buffer.alloc(2);
  b.writeInt16LE(v);
  return b;
};
const u16 = (v) => {
  const b = Buffer.alloc(2);
  b.writeUInt16LE(v);
  return b;
};
const i32 = (v) => {
  const b = Buffer.alloc(4);
  b.writeInt32LE(v | 0);
  return b;
};
export function cp56(date, { iv = 0, su = 0 } = {}) {
  const d = new Date(date); // its UTC fields are the local clock's
  return Buffer.concat([u16(d.getUTCSeconds() * 1000 + d.getUTCMilliseconds()), Buffer.from([d.getUTCMinutes() | (iv << 7), d.getUTCHours() | (su << 7), d.getUTCDate() | ((d.getUTCDay() || 7) << 5), d.getUTCMonth() + 1, d.getUTCFullYear() % 100])]);
}
const cp24 = (date) => cp56(date).subarray(0, 3);
const times = { 0: () => Buffer.alloc(0), 3: cp24, 7: cp56 };
const kinds = {
  sp: (o) => Buffer.from([(o.v ? 1 : 0) | (o.q ?? 0)]),
  dp: (o) => Buffer.from([o.v | (o.q ?? 0)]),
  st: (o) => Buffer.from([(o.v & 0x7f) | (o.transient ? 0x80 : 0), o.q ?? 0]),
  bo: (o) => Buffer.concat([i32(o.v), Buffer.from([o.q ?? 0])]),
  na: (o) => Buffer.concat([i16(o.v), Buffer.from([o.q ?? 0])]),
  nc: (o) => Buffer.concat([f32(o.v), Buffer.from([o.q ?? 0])]),
  it: (o) => Buffer.concat([i32(o.v), Buffer.from([(o.q ?? 0) | (o.seq ?? 0)])]),
  nd: (o) => i16(o.v),
  ps: (o) => Buffer.concat([u16(o.v), u16(o.changes ?? 0), Buffer.from([o.q ?? 0])]),
  ep: (o) => Buffer.concat([Buffer.from([o.v | (o.q ?? 0)]), u16(o.ms ?? 0)]),
  epp: (o) => Buffer.concat([Buffer.from([o.v, o.q ?? 0]), u16(o.ms ?? 0)]),
};
export const MONITOR = {
  1: ['sp', 0], 2: ['sp', 3], 3: ['dp', 0], 4: ['dp', 3], 5: ['st', 0], 6: ['st', 3], 7: ['bo', 0], 8: ['bo', 3], 9: ['na', 0], 10: ['na', 3],
  11: ['na', 0], 12: ['na', 3], 13: ['nc', 0], 14: ['nc', 3], 15: ['it', 0], 16: ['it', 3], 17: ['ep', 3], 18: ['epp', 3], 19: ['epp', 3], 20: ['ps', 0], 21: ['nd', 0],
  30: ['sp', 7], 31: ['dp', 7], 32: ['st', 7], 33: ['bo', 7], 34: ['na', 7], 35: ['na', 7], 36: ['nc', 7], 37: ['it', 7], 38: ['ep', 7], 39: ['epp', 7], 40: ['epp', 7],
};
// bytes after the object address of what a controlling station sends
const CONTROL = { 45: 1, 46: 1, 47: 1, 48: 3, 49: 3, 50: 5, 51: 4, 58: 8, 59: 8, 60: 8, 61: 10, 62: 10, 63: 12, 64: 11, 100: 1, 101: 1, 102: 0, 103: 7, 104: 2, 105: 1, 107: 9 };

const ioa3 = (ioa) => Buffer.from([ioa & 255, (ioa >> 8) & 255, ioa >> 16]);
export const element = (type, o) => Buffer.concat([kinds[MONITOR[type][0]](o), times[MONITOR[type][1]](o.t ?? 0)]);
export function asdu(type, cause, ca, objects, { sq = false, oa = 0 } = {}) {
  const parts = [Buffer.from([type, objects.length | (sq ? 0x80 : 0), cause, oa, ca & 255, ca >> 8])];
  objects.forEach((o, i) => {
    if (!sq || i === 0) parts.push(ioa3(o.ioa));
    parts.push(o.raw ?? element(type, o));
  });
  return Buffer.concat(parts);
}

// ---- one end of a connection: frames in and out, numbers, acknowledgements ----
export class Link {
  constructor(socket, { k = 12, w = 8, onAsdu, onU, record }) {
    Object.assign(this, { socket, k, w, onAsdu, onU, record });
    this.vs = this.vr = this.acked = this.told = 0;
    this.queue = [];
    this.rest = Buffer.alloc(0);
    this.ackToPeer = true;
    this.maxInFlight = 0; // of the other side
    socket.on('data', (d) => this.input(d));
    socket.on('error', () => {});
  }
  raw(bytes) {
    this.record?.(false, bytes);
    if (this.socket.writable) this.socket.write(bytes);
  }
  u(f) {
    this.raw(Buffer.from([0x68, 4, f, 0, 0, 0]));
  }
  s() {
    this.told = this.vr;
    this.raw(Buffer.from([0x68, 4, 1, 0, (this.vr << 1) & 255, this.vr >> 7]));
  }
  frame(body, ns = this.vs) {
    return Buffer.concat([Buffer.from([0x68, body.length + 4, (ns << 1) & 255, ns >> 7, (this.vr << 1) & 255, this.vr >> 7]), body]);
  }
  send(body) {
    this.queue.push(body);
    this.pump();
  }
  pump() {
    while (this.queue.length && (this.vs - this.acked + 32768) % 32768 < this.k) {
      const f = this.frame(this.queue.shift());
      this.told = this.vr;
      this.vs = (this.vs + 1) % 32768;
      this.raw(f);
    }
  }
  input(d) {
    this.rest = Buffer.concat([this.rest, d]);
    while (this.rest.length >= 2 && this.rest.length >= this.rest[1] + 2) {
      if (this.rest[0] !== 0x68) throw new Error(`not a frame: ${this.rest.subarray(0, 8).toString('hex')}`);
      const f = this.rest.subarray(0, this.rest[1] + 2);
      this.rest = this.rest.subarray(f.length);
      this.record?.(true, Buffer.from(f));
      this.take(f);
    }
  }
  take(f) {
    if ((f[2] & 3) === 3) return this.onU?.(f[2], this);
    this.acked = (f[4] | (f[5] << 8)) >> 1;
    if ((f[2] & 1) === 0) {
      const ns = (f[2] | (f[3] << 8)) >> 1;
      if (ns !== this.vr) throw new Error(`I frame ${ns} instead of ${this.vr}`);
      this.vr = (this.vr + 1) % 32768;
      this.maxInFlight = Math.max(this.maxInFlight, (this.vr - this.told + 32768) % 32768);
      if (this.ackToPeer && (this.vr - this.told + 32768) % 32768 >= this.w) this.s();
      this.onAsdu?.(f.subarray(6), this);
    }
    this.pump();
  }
}

export const parse = (p) => {
  const a = { type: p[0], n: p[1] & 127, sq: p[1] >> 7, cause: p[2] & 63, negative: (p[2] >> 6) & 1, oa: p[3], ca: p[4] | (p[5] << 8) };
  if (CONTROL[a.type] !== undefined) {
    if (p.length !== 9 + CONTROL[a.type]) throw new Error(`type ${a.type} has ${p.length} bytes`);
    a.ioa = p[6] | (p[7] << 8) | (p[8] << 16);
    a.element = p.subarray(9);
  }
  return a;
};

// ---- a controlled station ----
export class Station {
  constructor({ secure, k = 12 } = {}) {
    this.secure = secure;
    this.k = k;
    this.values = []; // { ca, type, ioa, v, q ... } told in an interrogation; counters by theirs
    this.links = new Set();
    this.sockets = new Set();
    this.accepted = this.openMax = 0;
    this.commands = [];
    this.asked = [];
    this.frames = []; // for tshark: sent by the controlling station or not
    this.answer = (a) => ({ negative: false, term: true });
    this.behave = null; // (socket) => true: it is handled
  }
  async start(port = 0) {
    const accept = (s) => this.accept(s);
    this.server = this.secure ? tls.createServer(this.secure, accept) : net.createServer(accept);
    this.server.on('tlsClientError', (e) => (this.tlsError = e.message));
    await new Promise((r) => this.server.listen(port, '127.0.0.1', r));
    this.port = this.server.address().port;
  }
  accept(socket) {
    const id = this.accepted++;
    this.sockets.add(socket);
    socket.on('close', () => this.sockets.delete(socket));
    this.openMax = Math.max(this.openMax, this.links.size + 1);
    if (this.behave?.(socket)) return;
    const link = new Link(socket, {
      k: this.k,
      record: (sent, bytes) => this.frames.push({ sent, bytes, link: id, t: Date.now() }),
      onU: (f) => {
        if (f === U.startAct) link.u(U.startCon), (this.up = true);
        if (f === U.testAct) link.u(U.testCon);
        if (f === U.stopAct) link.u(U.stopCon);
      },
      onAsdu: (p) => this.asked.push(parse(p)) && this.reply(link, parse(p), p),
    });
    this.links.add(link);
    socket.on('close', () => this.links.delete(link));
  }
  tell(link, cause, ca, list) {
    for (const o of list) link.send(asdu(o.type, cause, ca, [o]));
  }
  reply(link, a, p) {
    const mirror = (cause, negative = 0) => {
      const b = Buffer.from(p);
      b[2] = cause | (negative << 6);
      link.send(b);
    };
    if (!this.values.some((o) => o.ca === a.ca)) return mirror(46, 1);
    const isCounter = (o) => [15, 16, 37].includes(o.type);
    if (a.type === 100 || a.type === 101) {
      mirror(7);
      this.tell(link, a.type === 100 ? 20 : 37, a.ca, this.values.filter((o) => o.ca === a.ca && !o.silent && isCounter(o) === (a.type === 101)));
      return mirror(10);
    }
    if (a.type === 102) {
      const o = this.values.find((x) => x.ca === a.ca && x.ioa === a.ioa);
      return o ? this.tell(link, 5, a.ca, [o]) : mirror(47, 1);
    }
    if (a.type === 103) return (this.clock = a.element), mirror(7);
    if (a.type >= 45 && a.type <= 64) {
      this.commands.push(a);
      const r = this.answer(a, link);
      if (!r) return;
      mirror(r.cause ?? (a.cause === 8 ? 9 : 7), r.negative || r.cause ? 1 : 0);
      const select = [45, 46, 47, 58, 59, 60].includes(a.type) ? a.element[0] >> 7 : [48, 49, 61, 62].includes(a.type) ? a.element[2] >> 7 : [50, 63].includes(a.type) ? a.element[4] >> 7 : 0;
      if (!r.negative && !r.cause && r.term !== false && !select) mirror(10);
      return;
    }
    mirror(44, 1);
  }
  spontaneous(type, ca, o) {
    for (const link of this.links) link.send(asdu(type, 3, ca, [o]));
  }
  drop() {
    for (const link of this.links) link.socket.destroy();
  }
  async stop() {
    for (const s of this.sockets) s.destroy();
    await new Promise((r) => this.server.close(r));
  }
}

// ---- values as they come ----
const local = (p) => Date.UTC(2000 + (p[6] & 127), (p[5] & 15) - 1, p[4] & 31, p[3] & 31, p[2] & 63, 0, p.readUInt16LE(0)); // CP56Time2a
const readers = {
  sp: (p) => [p[0] & 1, p[0] & 0xf0, 1],
  dp: (p) => [p[0] & 3, p[0] & 0xf0, 1],
  st: (p) => [(p[0] << 25) >> 25, p[1], 2],
  bo: (p) => [p.readUInt32LE(0), p[4], 5],
  na: (p) => [p.readInt16LE(0), p[2], 3],
  nc: (p) => [p.readFloatLE(0), p[4], 5],
  it: (p) => [p.readInt32LE(0), p[4] & 0xe0, 5],
};
// [{ type, cause, ca, ioa, v, q, t, su }]: the objects of an ASDU; t in ms of the station's local clock
export function objects(p) {
  const a = parse(p), list = [];
  if (!MONITOR[a.type] || !readers[MONITOR[a.type][0]]) return list;
  let at = 6, first = 0;
  for (let i = 0; i < a.n; i++) {
    if (!a.sq || i === 0) (first = p[at] | (p[at + 1] << 8) | (p[at + 2] << 16)), (at += 3);
    const [v, q, size] = readers[MONITOR[a.type][0]](p.subarray(at));
    at += size;
    const o = { type: a.type, cause: a.cause, ca: a.ca, ioa: a.sq ? first + i : first, v, q };
    if (MONITOR[a.type][1] === 7) (o.t = local(p.subarray(at))), (o.su = p[at + 3] >> 7);
    at += MONITOR[a.type][1];
    list.push(o);
  }
  if (at !== p.length) throw new Error(`type ${a.type}: ${p.length} bytes, read ${at}`);
  return list;
}

// ---- a controlling station, for the product's own stations ----
export class Master {
  constructor() {
    this.got = [];
    this.frames = [];
  }
  // ack: ms after which what came is acknowledged (t2); 0: only every w frames. secure: options of tls.connect.
  async connect(port, { secure, ack = 0, start = true } = {}) {
    this.socket = secure ? tls.connect({ port, host: '127.0.0.1', ...secure }) : net.connect(port, '127.0.0.1');
    await new Promise((r, j) => this.socket.once(secure ? 'secureConnect' : 'connect', r).once('error', j));
    this.socket.on('close', () => {
      this.closed = true;
      clearInterval(this.timer);
    });
    if (ack) this.timer = setInterval(() => this.link.ackToPeer && this.link.told !== this.link.vr && this.link.s(), ack);
    this.link = new Link(this.socket, {
      record: (received, bytes) => this.frames.push({ sent: !received, bytes, t: Date.now() }),
      onU: (f) => {
        if (f === U.startCon) this.started = true;
        if (f === U.stopCon) this.stopped = true;
        if (f === U.testAct) this.link.u(U.testCon);
      },
      onAsdu: (p) => this.got.push({ ...parse(p), bytes: Buffer.from(p) }),
    });
    if (start) this.link.u(U.startAct);
  }
  objects(cause) {
    return this.got.filter((a) => cause === undefined || a.cause === cause).flatMap((a) => objects(a.bytes));
  }
  ask(type, ca, ioa, raw, cause = 6) {
    this.link.send(asdu(type, cause, ca, [{ ioa, raw: Buffer.from(raw) }]));
  }
  close() {
    clearInterval(this.timer);
    this.socket.destroy();
  }
}
