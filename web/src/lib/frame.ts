/* The binary frame of GET /api/v1/stream, little-endian:
 *   0 u32 magic 0x31534e42   4 u32 count   8 i64 server time, microseconds
 *   then count x 24 bytes: 0 i64 time_us  8 u32 num  12 u8 type  13 u8 quality  14 u16 flags  16 value
 * type: 0 none, 1 double, 2 integer, 3 boolean, 4 string (value is the id of a text sent before). */
export const MAGIC = 0x31534e42;
export const HEADER = 16;
export const RECORD = 24;

export interface LiveValue {
  t: number;               /* epoch milliseconds */
  v: number | string | boolean | null;
  q: number;               /* 0 good, 1 uncertain, 2 bad */
  r: number;               /* reason, see quality.ts */
}

export interface Frame {
  serverTime: number;
  values: [num: number, value: LiveValue][];
}

function int64(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
}

function valueAt(view: DataView, at: number, type: number, strings: Map<number, string>): LiveValue['v'] {
  switch (type) {
    case 1: return view.getFloat64(at, true);
    case 2: return int64(view, at);
    case 3: return int64(view, at) !== 0;
    case 4: return strings.get(int64(view, at)) ?? '…';
    default: return null;
  }
}

/* null: not a frame of ours. A frame cut short gives the whole records that are there. */
export function decodeFrame(buf: ArrayBuffer, strings: Map<number, string>): Frame | null {
  if (buf.byteLength < HEADER) return null;
  const view = new DataView(buf);
  if (view.getUint32(0, true) !== MAGIC) return null;
  const count = Math.min(view.getUint32(4, true), Math.floor((buf.byteLength - HEADER) / RECORD));
  const values: Frame['values'] = [];
  for (let i = 0; i < count; i++) {
    const at = HEADER + i * RECORD;
    const type = view.getUint8(at + 12);
    values.push([view.getUint32(at + 8, true), {
      t: int64(view, at) / 1000,
      v: valueAt(view, at + 16, type, strings),
      q: view.getUint8(at + 13),
      r: view.getUint16(at + 14, true) & 0xff,
    }]);
  }
  return { serverTime: int64(view, 8) / 1000, values };
}
