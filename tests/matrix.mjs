// matrix.mjs - what the tests of data types share: values of every type as bytes and back, written here from IEEE 754 and
// two's complement alone; edge values; a reader of current values that keeps whole numbers beyond 2^53.
import { fail, ok, until } from './lib.mjs';

export const ORDERS = ['ABCD', 'CDAB', 'BADC', 'DCBA'];
export const BYTES = { int8: 2, uint8: 2, int16: 2, uint16: 2, int32: 4, uint32: 4, int64: 8, uint64: 8, float: 4, double: 8, bcd16: 2, bcd32: 4 };
export const TYPES = Object.keys(BYTES);

const hex = (list) => list.map((h) => Buffer.from(h, 'hex'));
const ints = (type, list) => list.map((v) => put(type, v));
// Bytes as they stand in order ABCD: smallest, largest, around zero, what is no value.
export const EDGES = {
  int8: hex(['0080', '007f', '00ff', '0000', '0001']),
  uint8: hex(['0000', '00ff', '0080', '0001']),
  int16: hex(['8000', '7fff', 'ffff', '0000', '0102']),
  uint16: hex(['0000', 'ffff', '8000', '0102']),
  int32: hex(['80000000', '7fffffff', 'ffffffff', '00000000', '01020304', 'fffefdfc']),
  uint32: hex(['00000000', 'ffffffff', '80000000', '01020304']),
  int64: hex(['8000000000000000', '7fffffffffffffff', 'ffffffffffffffff', '0020000000000001', '001fffffffffffff', 'ffdfffffffffffff', '0102030405060708']),
  uint64: hex(['0000000000000000', '0020000000000001', '001fffffffffffff', '7fffffffffffffff', '8000000000000000', '0102030405060708']),
  float: hex(['3dcccccd', '80000000', '00000001', '7f7fffff', 'ff7fffff', '7fc00000', '7f800000', 'ff800000', 'c2f6e979', '007fffff']),
  double: hex(['3fb999999999999a', '8000000000000000', '0000000000000001', '7fefffffffffffff', 'ffefffffffffffff', '7ff8000000000000', '7ff0000000000000', 'fff0000000000000', '4340000000000001', 'c05edd2f1a9fbe77']),
  bcd16: hex(['0000', '9999', '1234', '1a00', 'ffff', '0009']),
  bcd32: hex(['00000000', '99999999', '12345678', '0000000a', 'f0000000', '00000009']),
};

// The words turned round, the bytes of each word: both ways the same.
export function swap(buf, order) {
  const words = [];
  for (let i = 0; i < buf.length; i += 2) words.push(Buffer.from(buf.subarray(i, i + 2)));
  if (order === 'CDAB' || order === 'DCBA') words.reverse();
  if (order === 'BADC' || order === 'DCBA') words.forEach((w) => w.reverse());
  return Buffer.concat(words);
}

const integer = { int8: ['readInt8', 'writeInt8', 1], uint8: ['readUInt8', 'writeUInt8', 1], int16: ['readInt16BE', 'writeInt16BE'], uint16: ['readUInt16BE', 'writeUInt16BE'], int32: ['readInt32BE', 'writeInt32BE'], uint32: ['readUInt32BE', 'writeUInt32BE'], int64: ['readBigInt64BE', 'writeBigInt64BE'], uint64: ['readBigUInt64BE', 'writeBigUInt64BE'], float: ['readFloatBE', 'writeFloatBE'], double: ['readDoubleBE', 'writeDoubleBE'] };
export function get(type, abcd) {
  if (!type.startsWith('bcd')) return abcd[integer[type][0]](integer[type][2] ?? 0);
  return /^\d+$/.test(abcd.toString('hex')) ? Number(abcd.toString('hex')) : NaN;
}
export function put(type, value) {
  const buf = Buffer.alloc(BYTES[type]);
  if (type.startsWith('bcd')) return Buffer.from(String(value).padStart(2 * buf.length, '0'), 'hex');
  buf[integer[type][1]](value, integer[type][2] ?? 0);
  return buf;
}
// How the value stands in an answer of the API: text of a whole number, number, or 'bad'.
export function shown(type, abcd, scale = 1, offset = 0) {
  let v = get(type, abcd);
  if (scale !== 1 || offset !== 0) v = Number(v) * scale + offset;
  if (typeof v === 'bigint') return v > 0x7fffffffffffffffn ? Number(v) : String(v);
  return Number.isFinite(v) ? v : 'bad';
}

// JSON with whole numbers of 16 digits and more as texts.
export const exact = (text) => JSON.parse(text.replace(/([:[,])(-?\d{16,})(?=[,}\]])/g, '$1"$2"'));
export async function current(api, codes) {
  const items = [];
  for (let i = 0; i < codes.length; i += 80) {
    const res = await api.raw('GET', `/current?points=${codes.slice(i, i + 80).map(encodeURIComponent).join(',')}`);
    const text = await res.text();
    if (res.status !== 200) fail(`current: ${res.status} ${text.slice(0, 200)}`);
    items.push(...exact(text).items);
  }
  return items;
}
// `zero`: the sign of a zero is not told (values that are scaled).
export const same = (got, want, zero = false) => {
  if (want === 'bad') return got.q === 'bad' && got.reason === 'not_a_number';
  if (got.q !== 'good') return false;
  if (zero && want === 0) return Number(got.v) === 0;
  return typeof want === 'number' ? Object.is(Number(got.v), want) : String(got.v) === String(want);
};
// All points at once: `want` gives what each should be.
export async function all(api, points, want, what, { ms = 8000, zero = false } = {}) {
  let items;
  const wrong = () => points.map((p, i) => [p, items[i], want(p)]).filter(([, got, w]) => !same(got, w, zero));
  await until(async () => {
    items = await current(api, points.map((p) => p.code));
    return wrong().length === 0;
  }, what, ms).catch(() => {
    fail(`${what}: ${wrong().length} of ${points.length} differ: ${wrong().slice(0, 8).map(([p, g, w]) => `${p.code} ${p.address ?? ''} is ${g.v} (${g.q} ${g.reason}), not ${w}`).join('; ')}`);
  });
}
// Some at a time.
export async function each(list, fn, width = 4) {
  const left = [...list];
  await Promise.all(Array.from({ length: width }, async () => {
    for (let x = left.shift(); x !== undefined; x = left.shift()) await fn(x);
  }));
}
export async function imported(api, columns, rows) {
  const done = await api.csv('/points:import', [columns, ...rows].join('\n'));
  ok(done.failed === 0, `import: ${JSON.stringify(done.errors ?? done).slice(0, 600)}`);
}
