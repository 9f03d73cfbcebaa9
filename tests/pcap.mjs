// pcap.mjs - bytes of a protocol as a capture (synthetic IPv4 and TCP or UDP headers) and tshark as its judge.
// A frame is { bytes, sent, t?, link? }: sent by the client (10.0.0.1, port 40000 + link) to the server (10.0.0.2, port).
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const GLOBAL = Buffer.alloc(24);
GLOBAL.writeUInt32LE(0xa1b2c3d4, 0); // microseconds, little-endian
GLOBAL.writeUInt16LE(2, 4);
GLOBAL.writeUInt16LE(4, 6);
GLOBAL.writeUInt32LE(262144, 16);
GLOBAL.writeUInt32LE(101, 20); // raw IP

function checksum(...parts) {
  let sum = 0;
  const all = Buffer.concat(parts);
  for (let i = 0; i < all.length; i += 2) sum += (all[i] << 8) | (all[i + 1] ?? 0);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

function addresses(sent) {
  const a = [10, 0, 0, 1], b = [10, 0, 0, 2];
  return Buffer.from(sent ? [...a, ...b] : [...b, ...a]);
}

function ip(sent, protocol, payload) {
  const h = Buffer.alloc(20);
  h[0] = 0x45;
  h.writeUInt16BE(20 + payload.length, 2);
  h[8] = 64;
  h[9] = protocol;
  addresses(sent).copy(h, 12);
  h.writeUInt16BE(checksum(h), 10);
  return Buffer.concat([h, payload]);
}

function tcp(state, f, port, flags, bytes) {
  const h = Buffer.alloc(20), mine = f.sent ? 0 : 1, client = 40000 + (f.link ?? 0);
  h.writeUInt16BE(f.sent ? client : port, 0);
  h.writeUInt16BE(f.sent ? port : client, 2);
  h.writeUInt32BE(state.seq[mine] >>> 0, 4);
  h.writeUInt32BE(flags === 0x02 ? 0 : state.seq[1 - mine] >>> 0, 8);
  h[12] = 0x50;
  h[13] = flags;
  h.writeUInt16BE(65535, 14);
  const pseudo = Buffer.concat([addresses(f.sent), Buffer.from([0, 6, (20 + bytes.length) >> 8, (20 + bytes.length) & 255])]);
  h.writeUInt16BE(checksum(pseudo, h, bytes), 16);
  state.seq[mine] += bytes.length + (flags & 0x02 ? 1 : 0);
  return ip(f.sent, 6, Buffer.concat([h, bytes]));
}

function udp(f, port, bytes) {
  const h = Buffer.alloc(8), client = 40000 + (f.link ?? 0);
  h.writeUInt16BE(f.sent ? client : port, 0);
  h.writeUInt16BE(f.sent ? port : client, 2);
  h.writeUInt16BE(8 + bytes.length, 4);
  return ip(f.sent, 17, Buffer.concat([h, bytes]));
}

// Each link opens with its three-way handshake, so that tshark follows the numbers from the beginning.
export function pcap(frames, port, { isUdp = false } = {}) {
  const out = [GLOBAL], links = new Map();
  let t = frames[0]?.t ?? 0;
  const put = (packet) => {
    const h = Buffer.alloc(16);
    h.writeUInt32LE(Math.floor(t / 1000), 0);
    h.writeUInt32LE(Math.floor((t % 1000) * 1000), 4);
    h.writeUInt32LE(packet.length, 8);
    h.writeUInt32LE(packet.length, 12);
    out.push(h, packet);
  };
  for (const f of frames) {
    const bytes = Buffer.from(f.bytes), link = f.link ?? 0;
    t = f.t ?? t;
    if (isUdp) {
      put(udp(f, port, bytes));
      continue;
    }
    if (!links.has(link)) {
      const s = { seq: [1000, 5000] };
      links.set(link, s);
      put(tcp(s, { sent: true, link }, port, 0x02, Buffer.alloc(0)));
      put(tcp(s, { sent: false, link }, port, 0x12, Buffer.alloc(0)));
      put(tcp(s, { sent: true, link }, port, 0x10, Buffer.alloc(0)));
    }
    for (let at = 0; at < bytes.length; at += 60000) put(tcp(links.get(link), f, port, 0x18, bytes.subarray(at, at + 60000)));
  }
  return Buffer.concat(out);
}

export function writePcap(file, frames, port, options) {
  writeFileSync(file, pcap(frames, port, options));
}

// The packets that tshark finds, as fields: [{ field: [values] }]. `decode`: "tcp.port==2404,iec60870_104" or none.
export function tshark(file, fields, { decode, filter, prefs = [] } = {}) {
  const args = ['-r', file, '-T', 'fields', '-E', 'separator=|', '-E', 'aggregator=,'];
  if (decode) args.push('-d', decode);
  if (filter) args.push('-Y', filter);
  for (const p of prefs) args.push('-o', p);
  for (const f of fields) args.push('-e', f);
  const out = execFileSync('tshark', args, { encoding: 'utf8', maxBuffer: 256 << 20, stdio: ['ignore', 'pipe', 'ignore'] });
  return out.split('\n').filter((l) => l.length).map((l) => {
    const cells = l.split('|');
    return Object.fromEntries(fields.map((f, i) => [f, cells[i] ? cells[i].split(',') : []]));
  });
}

export function haveTshark() {
  try {
    execFileSync('tshark', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
